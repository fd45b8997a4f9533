//! What only a person knows, or a program in their stead.

use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::{Login, Outcome};
use crate::question::{NoAnswer, Question, Secret};

/// How long a login may take in which a person answers, in milliseconds: as long as sshd waits
/// (LoginGraceTime).
const PATIENCE: u32 = 120_000;

impl Login<'_> {
    /// keyboard-interactive, RFC 4256.
    pub(super) fn challenges(&mut self) -> Outcome {
        let mut wrong: Vec<Secret> = Vec::new();
        for _ in 0..self.target.password_prompts {
            self.begin();
            self.session.set_timeout(PATIENCE);
            let mut conversation = Conversation {
                login: self,
                wrong: std::mem::take(&mut wrong),
                given: Vec::new(),
                failure: None,
            };
            let result = self
                .session
                .userauth_keyboard_interactive(&self.target.user, &mut conversation);
            let Conversation { given, failure, .. } = conversation;
            let Err(error) = result else {
                return Outcome::In;
            };
            if let Some(failure) = failure {
                self.note("keyboard-interactive", failure.to_string());
                return Outcome::Next;
            }
            match self.failed("keyboard-interactive", &error) {
                Outcome::Next => {}
                outcome => return outcome,
            }
            // A server that asked nothing will not ask the next time either.
            if given.is_empty() || !self.asker.may_know_better() {
                return Outcome::Next;
            }
            wrong = given;
        }
        Outcome::Next
    }

    /// password, RFC 4252, section 8.
    pub(super) fn password(&mut self) -> Outcome {
        let question = Question::Password {
            user: self.target.user.clone(),
            host: self.target.name.clone(),
        };
        let mut wrong: Option<Secret> = None;
        for _ in 0..self.target.password_prompts {
            let secret = match self.question(&question, wrong.as_ref()) {
                Ok(secret) => secret,
                Err(reason) => {
                    self.note("password", reason.to_string());
                    return Outcome::Next;
                }
            };
            self.begin();
            let user = &self.target.user;
            let Err(error) = self.session.userauth_password(user, secret.reveal()) else {
                return Outcome::In;
            };
            match self.failed("password", &error) {
                Outcome::Next => {}
                outcome => return outcome,
            }
            if !self.asker.may_know_better() {
                return Outcome::Next;
            }
            wrong = Some(secret);
        }
        Outcome::Next
    }
}

struct Conversation<'a, 'b> {
    login: &'a Login<'b>,
    /// What was answered the last time.
    wrong: Vec<Secret>,
    given: Vec<Secret>,
    failure: Option<NoAnswer>,
}

impl KeyboardInteractivePrompt for Conversation<'_, '_> {
    fn prompt<'a>(
        &mut self,
        _username: &str,
        _instructions: &str,
        prompts: &[Prompt<'a>],
    ) -> Vec<String> {
        let mut answers = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let question = Question::Challenge {
                user: self.login.target.user.clone(),
                host: self.login.target.name.clone(),
                text: prompt.text.to_string(),
                echo: prompt.echo,
            };
            let wrong = self.wrong.get(self.given.len());
            // The server waits for an answer to each.
            answers.push(match self.failure {
                Some(_) => String::new(),
                None => match self.login.question(&question, wrong) {
                    Ok(secret) => {
                        self.given.push(secret.clone());
                        secret.reveal().to_owned()
                    }
                    Err(reason) => {
                        self.failure = Some(reason);
                        String::new()
                    }
                },
            });
        }
        answers
    }
}
