//! Services: what runs, now and after each boot.

use super::script::{Script, assign};

/// As sd_booted(3) finds out. Elsewhere a package's own script starts its service at boot.
const LOOK: &str = r#"PATH=$PATH:/usr/sbin:/sbin
if [ -d /run/systemd/system ]; then
    systemctl is-enabled --quiet -- "$service" && systemctl is-active --quiet -- "$service"
else
    service "$service" status > /dev/null 2>&1
fi"#;

const START: &str = r#"PATH=$PATH:/usr/sbin:/sbin
if [ -d /run/systemd/system ]; then
    systemctl enable --now --quiet -- "$service"
else
    service "$service" start
fi"#;

/// Succeeds where it runs and will.
pub(super) fn look(service: &str) -> Script {
    Script::new(assign("service", service) + LOOK)
}

pub(super) fn start(service: &str) -> Script {
    Script::new(assign("service", service) + START).by_root()
}
