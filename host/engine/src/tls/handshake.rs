//! The handshake, and what an engine says about it afterwards: in TLS 1.3 it refuses a client's
//! certificate only when the client takes itself for connected (RFC 8446, section 4.4.2.4).

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{self, ErrorCode, Ssl, SslVerifyMode};
use openssl::x509::{X509NameRef, X509Ref, X509StoreContextRef};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

use super::{Check, Tls, TlsError, TlsOptions, file};
use crate::connector::{ByteStream, ChannelError};
use crate::ssh_channel::LastWords;

/// Speaks TLS on a stream with an engine at that name or address. The caller bounds the time.
pub(crate) async fn connect(
    tls: &Tls,
    stream: Box<dyn ByteStream>,
    host: &str,
    last_words: &LastWords,
) -> Result<Box<dyn ByteStream>, TlsError> {
    let peer = Peer {
        host: host.to_owned(),
        options: Arc::clone(&tls.options),
    };
    let verdict = Verdict::default();
    let ssl = session(tls, &peer, &verdict).map_err(|error| peer.other(&error.to_string()))?;
    let mut stream = SslStream::new(ssl, stream).map_err(|error| peer.other(&error.to_string()))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(Box::new(TlsStream {
            stream,
            peer,
            last_words: last_words.clone(),
            was_answered: false,
        })),
        Err(error) => Err(verdict.take().unwrap_or_else(|| peer.explain(&error))),
    }
}

/// What is wrong with a certificate, if anything is.
#[derive(Clone, Default)]
struct Verdict(Arc<Mutex<Option<TlsError>>>);

impl Verdict {
    fn take(&self) -> Option<TlsError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn tell(&self, error: TlsError) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }
}

fn session(tls: &Tls, peer: &Peer, verdict: &Verdict) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(&tls.context)?;
    let name = match &tls.options.check {
        Check::Host => Some(peer.host.as_str()),
        Check::Name(name) => Some(name.as_str()),
        Check::AnyName | Check::Nothing => None,
    };
    match name.map(|name| (name, name.parse::<IpAddr>())) {
        Some((_, Ok(address))) => ssl.param_mut().set_ip(address)?,
        Some((name, Err(_))) => ssl.param_mut().set_host(name)?,
        None => {}
    }
    // An address is no name that a server could be asked for (RFC 6066, section 3).
    let asked = name.unwrap_or(&peer.host);
    if asked.parse::<IpAddr>().is_err() {
        ssl.set_hostname(asked)?;
    }
    if tls.options.check != Check::Nothing {
        let (peer, verdict) = (peer.clone(), verdict.clone());
        ssl.set_verify_callback(SslVerifyMode::PEER, move |is_valid, context| {
            if !is_valid {
                verdict.tell(peer.refusal(context));
            }
            is_valid
        });
    }
    Ok(ssl)
}

/// With whom TLS is spoken, and what was agreed on before.
#[derive(Clone)]
struct Peer {
    host: String,
    options: Arc<TlsOptions>,
}

impl Peer {
    fn other(&self, reason: &str) -> TlsError {
        TlsError::Handshake {
            host: self.host.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Why a certificate is not taken.
    fn refusal(&self, context: &X509StoreContextRef) -> TlsError {
        let host = self.host.clone();
        let Some(certificate) = context.current_cert() else {
            return TlsError::Refused {
                host,
                reason: context.error().error_string().to_owned(),
            };
        };
        match context.error().as_raw() {
            verification::EXPIRED => TlsError::Expired {
                host,
                subject: readable(certificate.subject_name()),
                since: certificate.not_after().to_string(),
            },
            verification::NOT_YET_VALID => TlsError::NotYetValid {
                host,
                subject: readable(certificate.subject_name()),
                from: certificate.not_before().to_string(),
            },
            verification::HOST_NAME | verification::ADDRESS => TlsError::WrongName {
                names: names(certificate),
                wanted: match &self.options.check {
                    Check::Name(name) => name.clone(),
                    _ => host.clone(),
                },
                host,
            },
            error if verification::UNKNOWN.contains(&error) => TlsError::UnknownAuthority {
                host,
                issuer: readable(certificate.issuer_name()),
                trusted: self.trusted(),
            },
            _ => TlsError::Refused {
                host,
                reason: context.error().error_string().to_owned(),
            },
        }
    }

    fn trusted(&self) -> String {
        let file = self.options.authority.clone().or_else(file::system);
        file.unwrap_or_default().display().to_string()
    }

    /// What an error of the handshake, or the other side's alert, means.
    fn explain(&self, error: &ssl::Error) -> TlsError {
        let host = self.host.clone();
        let reasons = error.ssl_error().map(ErrorStack::errors).unwrap_or(&[]);
        for reason in reasons {
            let code = reason.reason_code();
            if let Some((_, words)) = alert::OF_IDENTITY.iter().find(|(known, _)| *known == code) {
                return match &self.options.identity {
                    None => TlsError::NoIdentity { host },
                    Some(identity) => TlsError::Identity {
                        host,
                        certificate: identity.certificate.clone(),
                        reason: (*words).to_owned(),
                    },
                };
            }
            if alert::NOT_TLS.contains(&code) {
                return TlsError::NotTls { host };
            }
        }
        match (error.io_error(), reasons.first()) {
            (Some(error), _) => self.other(&error.to_string()),
            (None, Some(reason)) => self.other(reason.reason().unwrap_or("it was refused")),
            (None, None) if error.code() == ErrorCode::SYSCALL => {
                self.other("the connection was closed")
            }
            (None, None) => self.other(&error.to_string()),
        }
    }

    /// An error of a stream that had been agreed on.
    fn explain_stream(&self, error: io::Error, was_answered: bool) -> io::Error {
        if was_answered {
            return error;
        }
        if let Some(inner) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ssl::Error>())
        {
            return self.explain(inner).into();
        }
        // Some servers close the connection with nothing said.
        if error.kind() == io::ErrorKind::ConnectionReset && self.options.identity.is_none() {
            let host = self.host.clone();
            return TlsError::NoIdentity { host }.into();
        }
        error
    }
}

/// An encrypted stream.
struct TlsStream {
    stream: SslStream<Box<dyn ByteStream>>,
    peer: Peer,
    /// The HTTP client may lose an error that comes before it sends anything.
    last_words: LastWords,
    /// Whether anything came: errors before that are about the handshake.
    was_answered: bool,
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let was_answered = self.was_answered;
        self.was_answered |= buffer.filled().len() > before;
        read.map_err(|error| {
            let error = self.peer.explain_stream(error, was_answered);
            if let Some(ours) = ChannelError::within(&error) {
                self.last_words.say(ours.clone());
            }
            error
        })
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// `CN=…` and whatever else there is, as people write it.
fn readable(name: &X509NameRef) -> String {
    let entries = name.entries().map(|entry| {
        let kind = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string();
        format!("{kind}={}", value.unwrap_or_default())
    });
    let text = entries.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        "nobody".to_owned()
    } else {
        text
    }
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Ref) -> String {
    let mut names = Vec::new();
    for name in certificate.subject_alt_names().iter().flatten() {
        if let Some(name) = name.dnsname() {
            names.push(name.to_owned());
        } else if let Some(address) = name.ipaddress().and_then(address) {
            names.push(address.to_string());
        }
    }
    if names.is_empty() {
        let common = certificate
            .subject_name()
            .entries_by_nid(Nid::COMMONNAME)
            .filter_map(|entry| entry.data().to_string().ok());
        names.extend(common);
    }
    match names.as_slice() {
        [] => "no name".to_owned(),
        names => names.join(", "),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Results of a verification, as OpenSSL numbers them (x509_vfy.h).
mod verification {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const HOST_NAME: i32 = 62;
    pub(super) const ADDRESS: i32 = 64;
    /// No issuer, self-signed, or a signature that does not fit.
    pub(super) const UNKNOWN: [i32; 6] = [2, 7, 18, 19, 20, 21];
}

/// Alerts, as OpenSSL numbers them: 1000 and the number of RFC 8446, section 6.
mod alert {
    pub(super) const OF_IDENTITY: [(i32, &str); 7] = [
        (1042, "it says that it is a bad certificate"),
        (1043, "it does not take certificates of this kind"),
        (1044, "it is revoked"),
        (1045, "it has expired"),
        (1046, "it does not take this certificate"),
        (1048, "it does not know the authority that signed it"),
        (1116, "it wants another one"),
    ];
    /// "wrong version number", "http request", "packet length too long", and "unexpected message"
    /// of what answers in plain text.
    pub(super) const NOT_TLS: [i32; 4] = [267, 156, 198, 244];
}
