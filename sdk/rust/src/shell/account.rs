//! Users and groups.

use super::{Command, Line, Word, is_line};

/// Adds a user, who gets a home folder and is asked for a password where the tools do so.
pub fn add_user(name: impl Into<Word>) -> AddUser {
    AddUser {
        name: name.into(),
        tools: Tools::Debian,
        id: None,
        groups: Vec::new(),
        system: false,
        login: true,
        password: true,
        comment: None,
    }
}

/// Adds a group.
pub fn add_group(name: impl Into<Word>) -> AddGroup {
    AddGroup {
        name: name.into(),
        tools: Tools::Debian,
        id: None,
        system: false,
    }
}

/// Puts a user into further groups. Nothing where none is named.
pub fn assign_groups<W: Into<Word>>(
    user: impl Into<Word>,
    groups: impl IntoIterator<Item = W>,
    tools: Tools,
) -> Option<Line> {
    let user = user.into();
    let groups: Vec<Word> = groups.into_iter().map(Into::into).collect();
    if groups.is_empty() {
        return None;
    }
    match tools {
        Tools::Debian | Tools::RedHat => Some(
            Command::new("usermod")
                .option_with("-aG", Word::joined(&groups, ","))
                .operand(user)
                .into(),
        ),
        Tools::BusyBox => Line::all(
            groups
                .iter()
                .map(|group| Command::new("adduser").operand(&user).operand(group)),
        ),
    }
}

/// The programs of a system that add users and groups. They take different options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tools {
    /// `adduser` and `addgroup` of Debian and Ubuntu.
    #[default]
    Debian,
    /// `adduser`, another name of `useradd`, and `groupadd`: CentOS and its kin.
    RedHat,
    /// Those of BusyBox: Alpine.
    BusyBox,
}

/// What [`add_user`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct AddUser {
    name: Word,
    tools: Tools,
    id: Option<u32>,
    groups: Vec<Word>,
    system: bool,
    login: bool,
    password: bool,
    comment: Option<Word>,
}

impl AddUser {
    /// With the programs of that system.
    pub fn tools(mut self, tools: Tools) -> Self {
        self.tools = tools;
        self
    }

    /// With that number.
    pub fn id(mut self, id: u32) -> Self {
        self.id = Some(id);
        self
    }

    /// In these groups too.
    pub fn groups<W: Into<Word>>(mut self, groups: impl IntoIterator<Item = W>) -> Self {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// For a service, with a number that the system has for such.
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// For nobody to log in, and without a home folder.
    pub fn no_login(mut self) -> Self {
        self.login = false;
        self.password = false;
        self
    }

    /// Without a password, so that there is no logging in by one.
    pub fn no_password(mut self) -> Self {
        self.password = false;
        self
    }

    /// Who it is.
    pub fn comment(mut self, comment: impl Into<Word>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    fn line(&self) -> Line {
        let mut command = Command::new("adduser");
        if let Some(id) = self.id {
            command = command.option_with("-u", id);
        }
        match self.tools {
            Tools::Debian => {
                let comment = self.comment.clone().unwrap_or_else(|| Word::new(""));
                command = command
                    .option_if(!self.login, "--disabled-login")
                    .option_if(!self.login, "--no-create-home")
                    .option_if(!self.password, "--disabled-password")
                    // Without, adduser asks for it.
                    .option_with("--gecos", comment)
                    .option_if(self.system, "--system");
            }
            Tools::RedHat => {
                if !self.groups.is_empty() {
                    command = command.option_with("-G", Word::joined(&self.groups, ","));
                }
                if !self.login {
                    command = command
                        .option_with("-s", "/sbin/nologin")
                        .option("--no-create-home");
                }
                // There is no password until one is set.
                if let Some(comment) = &self.comment {
                    command = command.option_with("--comment", comment);
                }
                command = command.option_if(self.system, "--system");
            }
            Tools::BusyBox => {
                if !self.login {
                    command = command.option_with("-s", "/sbin/nologin").option("-H");
                }
                command = command.option_if(!self.password, "-D");
                if let Some(comment) = &self.comment {
                    command = command.option_with("-g", comment);
                }
                command = command.option_if(self.system, "-S");
            }
        }
        let line = Line::from(command.operand(&self.name));
        let assign = match self.tools {
            Tools::RedHat => None,
            tools => assign_groups(&self.name, &self.groups, tools),
        };
        match assign {
            Some(assign) => line.and(assign),
            None => line,
        }
    }
}

/// What [`add_group`] makes.
#[derive(Debug, Clone)]
#[must_use]
pub struct AddGroup {
    name: Word,
    tools: Tools,
    id: Option<u32>,
    system: bool,
}

impl AddGroup {
    /// With the programs of that system.
    pub fn tools(mut self, tools: Tools) -> Self {
        self.tools = tools;
        self
    }

    /// With that number.
    pub fn id(mut self, id: u32) -> Self {
        self.id = Some(id);
        self
    }

    /// For a service, with a number that the system has for such.
    pub fn system(mut self) -> Self {
        self.system = true;
        self
    }

    fn line(&self) -> Line {
        let (program, id, system) = match self.tools {
            // Its `-g` could be any of three options.
            Tools::Debian => ("addgroup", "--gid", "--system"),
            Tools::RedHat => ("groupadd", "-g", "--system"),
            Tools::BusyBox => ("addgroup", "-g", "-S"),
        };
        let mut command = Command::new(program);
        if let Some(number) = self.id {
            command = command.option_with(id, number);
        }
        command
            .option_if(self.system, system)
            .operand(&self.name)
            .into()
    }
}

is_line!(AddUser, AddGroup);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_gets_what_its_programs_take() {
        let user = |tools| {
            let user = add_user("app").id(2000).groups(["web", "log"]).system();
            user.no_login().comment("The app").tools(tools).to_string()
        };
        assert_eq!(
            user(Tools::Debian),
            "adduser -u 2000 --disabled-login --no-create-home --disabled-password --gecos 'The app' \
             --system app && usermod -aG web,log app"
        );
        assert_eq!(
            user(Tools::RedHat),
            "adduser -u 2000 -G web,log -s /sbin/nologin --no-create-home --comment 'The app' \
             --system app"
        );
        assert_eq!(
            user(Tools::BusyBox),
            "adduser -u 2000 -s /sbin/nologin -H -D -g 'The app' -S app && adduser app web && \
             adduser app log"
        );
        let group = |tools| add_group("web").id(2000).system().tools(tools).to_string();
        assert_eq!(group(Tools::RedHat), "groupadd -g 2000 --system web");
    }

    #[test]
    fn a_name_is_no_option() {
        assert_eq!(add_group("-x").to_string(), "addgroup -- -x");
        assert_eq!(assign_groups("app", [""; 0], Tools::Debian), None);
    }
}
