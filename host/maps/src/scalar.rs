//! Plain scalars by the rules of YAML 1.1, as PyYAML reads them.

use serde_json::Number;

use crate::tree::Value;

/// What a scalar without quotes means.
pub(crate) fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Value::Number(number.into());
    }
    if let Some(number) = float(text).and_then(Number::from_f64) {
        return Value::Number(number);
    }
    Value::Text(text.to_owned())
}

/// `0x`, `0b`, a leading zero for octal, `_` between digits, and `1:30` to the base of 60.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let plain = digits.replace('_', "");
    let number = if let Some(hex) = plain.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()?
    } else if let Some(binary) = plain.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if plain.contains(':') {
        sexagesimal(&plain)?
    } else if plain.len() > 1 && plain.starts_with('0') {
        i64::from_str_radix(&plain, 8).ok()?
    } else {
        plain.parse().ok()?
    };
    Some(if negative { -number } else { number })
}

fn sexagesimal(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if first.starts_with('0') {
        return None;
    }
    let mut number: i64 = first.parse().ok()?;
    for part in parts {
        let digit: i64 = part.parse().ok().filter(|digit| (0..60).contains(digit))?;
        if part.is_empty() || part.len() > 2 {
            return None;
        }
        number = number.checked_mul(60)?.checked_add(digit)?;
    }
    Some(number)
}

/// PyYAML wants a dot, and a sign in an exponent.
fn float(text: &str) -> Option<f64> {
    let first = text.trim_start_matches(['+', '-']).chars().next()?;
    if !(first.is_ascii_digit() || first == '.') || !text.contains('.') {
        return None;
    }
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE_".contains(c);
    let exponent = text.split_once(['e', 'E']).map(|(_, exponent)| exponent);
    let has_sign = exponent.is_none_or(|exponent| exponent.starts_with(['+', '-']));
    if !text.chars().all(is_part) || !has_sign {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_in_yaml_1_1() {
        let number = |n: i64| Value::Number(n.into());
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("~", Value::Null),
            ("0750", number(488)),
            ("0x1f", number(31)),
            ("1_000", number(1000)),
            ("22:22", number(1342)),
            ("-5", number(-5)),
            ("08", Value::Text("08".to_owned())),
            ("53/udp", Value::Text("53/udp".to_owned())),
            ("1.5", Value::Number(Number::from_f64(1.5).unwrap())),
            ("1.0e+3", Value::Number(Number::from_f64(1000.0).unwrap())),
            ("1.0e3", Value::Text("1.0e3".to_owned())),
            ("1.27.0", Value::Text("1.27.0".to_owned())),
            ("u=rwX", Value::Text("u=rwX".to_owned())),
        ] {
            assert_eq!(plain_scalar(text), value, "{text}");
        }
    }
}
