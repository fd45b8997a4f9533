//! Asking a person, or a program in a person's stead, for what only they know.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a program may take to answer: there may be a person in front of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// How much of an answer is read, in bytes.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The passphrase of a private key.
    Passphrase {
        /// The key's file.
        file: PathBuf,
    },
    /// A user's password.
    Password {
        /// The user on the host.
        user: String,
        /// The host, as the operator named it.
        host: String,
    },
    /// Whatever the server wants to know (keyboard-interactive, RFC 4256).
    Challenge {
        /// The user on the host.
        user: String,
        /// The host, as the operator named it.
        host: String,
        /// The server's words.
        text: String,
        /// Whether the answer may be seen while it is typed.
        echo: bool,
    },
    /// Whether a host is the one that is meant; `yes` or the fingerprint is a yes.
    HostKey {
        /// The host, as the operator named it.
        host: String,
        /// Type of its key.
        kind: String,
        /// SHA-256, as ssh-keygen prints it.
        fingerprint: String,
        /// What else there is to know.
        note: String,
    },
}

impl Question {
    /// Whether the answer may be seen while it is typed.
    pub fn echo(&self) -> bool {
        match self {
            Self::Passphrase { .. } | Self::Password { .. } => false,
            Self::Challenge { echo, .. } => *echo,
            Self::HostKey { .. } => true,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase { file } => {
                write!(f, "Enter passphrase for key '{}': ", file.display())
            }
            Self::Password { user, host } => write!(f, "{user}@{host}'s password: "),
            Self::Challenge {
                user, host, text, ..
            } => write!(f, "({user}@{host}) {text}"),
            Self::HostKey {
                host,
                kind,
                fingerprint,
                note,
            } => write!(
                f,
                "The authenticity of host '{host}' can't be established.\n\
                 {kind} key fingerprint is {fingerprint}.\n{note}\
                 Are you sure you want to continue connecting (yes/no/[fingerprint])? "
            ),
        }
    }
}

/// An answer. It shows itself to nobody by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody is there.
    #[error("there is no terminal to ask at; {0}")]
    Nobody(&'static str),
    /// Nobody is to be asked.
    #[error("BatchMode forbids to ask; add the key to an agent with ssh-add")]
    Batch,
    /// The person does not want to answer.
    #[error("the question was not answered")]
    Declined,
    /// The program did not answer.
    #[error("{program} gave no answer: {reason}")]
    Program {
        /// What was run.
        program: String,
        /// What went wrong.
        reason: String,
    },
}

/// Who answers. Called on threads of sessions, one question at a time.
pub trait Prompter: fmt::Debug + Send + Sync {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Where there is no answer.
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer>;

    /// Whether asking once more after a wrong answer may bring another one.
    fn may_know_better(&self) -> bool;
}

/// Answers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Prompter for Nobody {
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
        Err(NoAnswer::Nobody(match question {
            Question::Passphrase { .. } => "add the key to an agent with ssh-add",
            Question::Password { .. } | Question::Challenge { .. } => {
                "use a key, or name a program that knows (SSH_ASKPASS)"
            }
            Question::HostKey { .. } => "accept the key once with `ssh`",
        }))
    }

    fn may_know_better(&self) -> bool {
        false
    }
}

/// A program that prints the answer: its first line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// As OpenSSH runs `SSH_ASKPASS`: with the question as its only argument.
    Askpass(PathBuf),
    /// A command line for `sh`, which finds the question in `DFAB_QUESTION`, and in
    /// `DFAB_QUESTION_KIND` whether it is a `passphrase`, a `password` or a `challenge`. It is never
    /// asked about keys of hosts.
    Shell {
        /// The command line.
        line: String,
        /// Where it is run, instead of the present folder.
        folder: Option<PathBuf>,
        /// Who named it, for people.
        source: String,
    },
}

impl Prompter for Program {
    fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
        let failed = |reason: String| NoAnswer::Program {
            program: self.to_string(),
            reason,
        };
        let kind = match question {
            Question::Passphrase { .. } => "passphrase",
            Question::Password { .. } => "password",
            Question::Challenge { .. } => "challenge",
            Question::HostKey { .. } => "confirm",
        };
        let mut command = match self {
            Self::Askpass(program) => {
                let mut command = Command::new(program);
                command.arg(question.to_string());
                command
            }
            Self::Shell { .. } if matches!(question, Question::HostKey { .. }) => {
                return Nobody.ask(question);
            }
            Self::Shell { line, folder, .. } => {
                // A server may have worded it.
                let asked = question.to_string().replace(char::is_control, "");
                tracing::info!("{self} is run for: {}", asked.trim_end());
                let mut command = Command::new("sh");
                if let Some(folder) = folder {
                    command.current_dir(folder);
                }
                command
                    .args(["-c", line])
                    .env("DFAB_QUESTION", question.to_string())
                    .env("DFAB_QUESTION_KIND", kind);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let answer = read_answer(&mut child).map_err(|reason| failed(reason.to_owned()));
        if answer.is_err() {
            // It may have ended by itself.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        let answer = answer?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        let line = answer.lines().next().unwrap_or_default();
        Ok(Secret::new(line.to_owned()))
    }

    fn may_know_better(&self) -> bool {
        // A person may be behind an askpass program, and makes slips.
        matches!(self, Self::Askpass(_))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Askpass(program) => write!(f, "SSH_ASKPASS ({})", program.display()),
            Self::Shell { source, .. } => write!(f, "the password command of {source}"),
        }
    }
}

/// Reads all that the program prints, on a thread of its own, since reading cannot be limited in time.
fn read_answer(child: &mut Child) -> Result<String, &'static str> {
    let Some(stdout) = child.stdout.take() else {
        return Err("it has no output");
    };
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(ANSWER_LIMIT).read_to_string(&mut text);
        // Nobody waits any more where it took too long.
        let _ = sender.send(read.map(|_| text));
    });
    match answer.recv_timeout(ANSWER_TIMEOUT) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err("its output is no text"),
        Err(_) => Err("it took more than 300 s"),
    }
}

/// Asks every question once, one at a time, whoever wants to know.
#[derive(Debug)]
pub(crate) struct Asker {
    prompter: Arc<dyn Prompter>,
    answers: Mutex<HashMap<Question, Result<Secret, NoAnswer>>>,
}

impl Asker {
    pub(crate) fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self {
            prompter,
            answers: Mutex::default(),
        }
    }

    /// The answer. One that has turned out wrong is named in `wrong`, and asked for again unless
    /// another session did so already.
    pub(crate) fn ask(
        &self,
        question: &Question,
        wrong: Option<&Secret>,
        clock: &Clock,
    ) -> Result<Secret, NoAnswer> {
        // People are slow, and so is a queue of people.
        let _paused = clock.pause();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(question)
            && (known.is_err() || known.as_ref().ok() != wrong)
        {
            return known.clone();
        }
        let answer = self.prompter.ask(question);
        answers.insert(question.clone(), answer.clone());
        answer
    }

    /// What was answered before, where the answer stays the same.
    pub(crate) fn known(&self, question: &Question) -> Option<Secret> {
        if matches!(question, Question::Challenge { .. }) {
            return None;
        }
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question)?.clone().ok()
    }

    pub(crate) fn may_know_better(&self) -> bool {
        self.prompter.may_know_better()
    }
}

/// When an attempt to connect is given up. It stands still while somebody is asked.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<ClockState>);

#[derive(Debug)]
struct ClockState {
    deadline: Instant,
    paused: Option<Instant>,
}

impl Clock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Mutex::new(ClockState {
            deadline: Instant::now() + limit,
            paused: None,
        }))
    }

    /// What is left.
    pub(crate) fn left(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.paused.unwrap_or_else(Instant::now);
        state.deadline.saturating_duration_since(now)
    }

    /// At least so much is left from now on.
    pub(crate) fn allow(&self, limit: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.deadline = state.deadline.max(Instant::now() + limit);
    }

    fn pause(&self) -> impl Drop + use<'_> {
        struct Paused<'a>(&'a Clock);
        impl Drop for Paused<'_> {
            fn drop(&mut self) {
                let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(since) = state.paused.take() {
                    state.deadline += since.elapsed();
                }
            }
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.paused.get_or_insert_with(Instant::now);
        Paused(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Counting(Mutex<Vec<Question>>);

    impl Prompter for Counting {
        fn ask(&self, question: &Question) -> Result<Secret, NoAnswer> {
            let mut asked = self.0.lock().unwrap();
            asked.push(question.clone());
            Ok(Secret::new(asked.len().to_string()))
        }

        fn may_know_better(&self) -> bool {
            true
        }
    }

    #[test]
    fn every_question_is_asked_once_until_its_answer_is_wrong() {
        let prompter = Arc::new(Counting::default());
        let asker = Asker::new(Arc::<Counting>::clone(&prompter));
        let clock = Clock::new(Duration::from_secs(1));
        let question = Question::Passphrase { file: "/k".into() };
        let first = asker.ask(&question, None, &clock).unwrap();
        assert_eq!(asker.ask(&question, None, &clock), Ok(first.clone()));
        let second = asker.ask(&question, Some(&first), &clock).unwrap();
        assert_ne!(first, second);
        // Another session found out later that the first one is wrong: the second is known already.
        assert_eq!(asker.ask(&question, Some(&first), &clock), Ok(second));
        assert_eq!(prompter.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn programs_answer_with_their_first_line() {
        let question = Question::Passphrase { file: "/k".into() };
        let shell = |line: &str| {
            let program = Program::Shell {
                line: line.to_owned(),
                folder: Some("/".into()),
                source: "a test".to_owned(),
            };
            program.ask(&question)
        };
        let answer = shell("echo \"$DFAB_QUESTION_KIND of $DFAB_QUESTION\"; echo more").unwrap();
        assert_eq!(
            answer.reveal(),
            "passphrase of Enter passphrase for key '/k': "
        );
        assert_eq!(shell("pwd").unwrap().reveal(), "/");
        let error = shell("echo hunter2; exit 3").unwrap_err().to_string();
        assert!(
            error.contains("status: 3") && !error.contains("hunter2"),
            "{error}"
        );
        assert_eq!(format!("{answer:?}"), "Secret");
    }
}
