//! Who answers what SSH servers and keys want to know: a command, a person at the terminal, or a
//! program that asks a person elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use dfab_ssh::{NoAnswer, Nobody, Program, Prompter, Question, Secret};
use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::project::Project;
use crate::terminal::plain;

/// The terminal of this process, wherever its standard streams lead.
const TERMINAL: &str = "/dev/tty";

/// The variable that goes before `password_command` of a project.
const COMMAND: &str = "DFAB_PASSWORD_COMMAND";

/// What to do where nobody can be asked for it.
const NO_PASSPHRASE: &str = "add the key to an agent with ssh-add, or name a command that knows its \
                             passphrase (DFAB_PASSWORD_COMMAND, or `password_command` in dfab.yaml)";
const NO_PASSWORD: &str = "use a key, or name a command that knows the password \
                           (DFAB_PASSWORD_COMMAND, or `password_command` in dfab.yaml; or SSH_ASKPASS)";

/// Who answers: `DFAB_PASSWORD_COMMAND`, or else the project's command, knows passwords and passphrases;
/// all else goes to the terminal or to `SSH_ASKPASS`, as ssh(1) chooses between them
/// (`SSH_ASKPASS_REQUIRE`). Nothing is run before there is a question.
pub(crate) fn prompter(project: &Project) -> Arc<dyn Prompter> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let program = variable("SSH_ASKPASS").map(|path| Program::Askpass(PathBuf::from(path)));
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .map(variable)
        .iter()
        .any(Option::is_some);
    let require = variable("SSH_ASKPASS_REQUIRE");
    let person: Arc<dyn Prompter> = match (require.as_deref().and_then(|it| it.to_str()), program) {
        (Some("force" | "prefer"), Some(program)) => Arc::new(program),
        (Some("never"), _) | (_, None) => Arc::new(Terminal),
        (_, Some(program)) if has_display && open().is_err() => Arc::new(program),
        (_, Some(_)) => Arc::new(Terminal),
    };
    match command(project) {
        Some(secrets) => Arc::new(Command { secrets, person }),
        None => person,
    }
}

/// The command that knows passwords, where there is one.
fn command(project: &Project) -> Option<Program> {
    match std::env::var(COMMAND) {
        Ok(line) if !line.is_empty() => Some(Program::Shell {
            line,
            folder: None,
            source: COMMAND.to_owned(),
        }),
        _ => Some(Program::Shell {
            line: project.password_command.clone()?,
            folder: Some(project.folder().to_owned()).filter(|path| !path.as_os_str().is_empty()),
            source: project.file.as_ref()?.display().to_string(),
        }),
    }
}

/// A command for secrets, and a person for keys of hosts.
#[derive(Debug)]
struct Command {
    secrets: Program,
    person: Arc<dyn Prompter>,
}

impl Prompter for Command {
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
        match question {
            Question::HostKey { .. } => self.person.ask(question),
            _ => self.secrets.ask(question),
        }
    }

    fn may_know_better(&self) -> bool {
        false
    }
}

/// A person at the terminal, if there is one.
#[derive(Debug)]
struct Terminal;

impl Prompter for Terminal {
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
        let Ok(terminal) = open() else {
            return Err(match question {
                Question::Passphrase { .. } => NoAnswer::Nobody(NO_PASSPHRASE),
                Question::Password { .. } | Question::Challenge { .. } => {
                    NoAnswer::Nobody(NO_PASSWORD)
                }
                Question::HostKey { .. } => return Nobody.ask(question),
            });
        };
        ask(&terminal, question).map_err(|_| NoAnswer::Declined)
    }

    fn may_know_better(&self) -> bool {
        true
    }
}

fn open() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(TERMINAL)
}

fn ask(mut terminal: &File, question: &Question) -> std::io::Result<Secret> {
    // The words of a server must not steer the terminal.
    let words = plain(&question.to_string());
    if !question.echo() {
        // Hidden before it is asked for: a quick answer would be seen, and lost.
        let hidden = Hidden::new(terminal)?;
        write!(terminal, "{words}")?;
        let typed = read_hidden(terminal);
        drop(hidden);
        writeln!(terminal)?;
        return typed;
    }
    write!(terminal, "{words}")?;
    let mut line = String::new();
    if BufReader::new(terminal).read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads a line of which nothing is shown.
fn read_hidden(mut terminal: &File) -> std::io::Result<Secret> {
    let mut typed = Vec::new();
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match byte[0] {
            b'\r' | b'\n' => break,
            INTERRUPT => {
                // What Ctrl-C does at any other time, it does once the terminal is as it was.
                rustix::process::kill_process(rustix::process::getpid(), Signal::INT)?;
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            END => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            ERASE | BACKSPACE => {
                // A character may have several bytes.
                while typed.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            KILL => typed.clear(),
            other => typed.push(other),
        }
    }
    let text = String::from_utf8(typed).map_err(|_| std::io::ErrorKind::InvalidData)?;
    Ok(Secret::new(text))
}

/// Ctrl-C, Ctrl-D, Backspace (two ways) and Ctrl-U.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const ERASE: u8 = 127;
const BACKSPACE: u8 = 8;
const KILL: u8 = 21;

/// Keeps what is typed from being seen, and Ctrl-C from ending dfab before the terminal is as it was.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn new(terminal: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        let off = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        modes.local_modes.remove(off);
        tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing either.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
