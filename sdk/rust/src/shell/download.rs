//! Files from the web.

use super::{Command, Line, Word, is_line};

/// Fetches a URL with curl, which prints it.
pub fn curl(url: impl Into<Word>) -> Download {
    Download {
        program: "curl",
        output: "-o",
        url: url.into(),
        file: None,
    }
}

/// Fetches a URL with wget, into a file called as the URL ends.
pub fn wget(url: impl Into<Word>) -> Download {
    Download {
        program: "wget",
        output: "-O",
        url: url.into(),
        file: None,
    }
}

/// What [`curl`] and [`wget`] make.
#[derive(Debug, Clone)]
#[must_use]
pub struct Download {
    program: &'static str,
    output: &'static str,
    url: Word,
    file: Option<Word>,
}

impl Download {
    /// Into that file.
    pub fn to(mut self, file: impl Into<Word>) -> Self {
        self.file = Some(file.into());
        self
    }

    fn line(&self) -> Line {
        let command = Command::new(self.program);
        let command = match &self.file {
            Some(file) => command.option_with(self.output, file.clone().path()),
            None => command,
        };
        command.operand(&self.url).into()
    }
}

is_line!(Download);

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker-Map gave wget's `-o`, which is the file of its log.
    #[test]
    fn b_41_wget_writes_the_file_and_no_log() {
        let line = wget("https://example.com/a?b&c").to("my file").to_string();
        assert_eq!(line, "wget -O 'my file' 'https://example.com/a?b&c'");
    }
}
