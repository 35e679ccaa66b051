//! One connection to one Redis server.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    RedisError, Value, cmd,
};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::paced::Paced;
use super::resp2::Resp2;
use super::socket::Socket;
use super::{DialError, Lost, Receive, TO_DO};
use crate::events;

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsConnector>,
    pub(crate) response_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) largest_message: Option<usize>,
}

/// A connection with its driver. Dropping it ends both.
pub(crate) struct Connection {
    commands: MultiplexedConnection,
    address: Arc<str>,
    /// Why it ended, once it has.
    ended: watch::Receiver<Option<Lost>>,
    /// How many channels it has asked to be unsubscribed from, and was not told yet that it is.
    unsubscribing: Arc<AtomicUsize>,
    patience: Patience,
    driver: AbortHandle,
}

/// How long answers are waited for. They come behind what is received before them, however long that takes: only who
/// says nothing at all is silent.
#[derive(Clone)]
struct Patience {
    response_timeout: Duration,
    /// How many messages and answers have come.
    heard: Arc<AtomicU64>,
}

impl Patience {
    fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for an answer, or until nothing has come for the timeout.
    async fn wait<T>(&self, address: &str, answer: impl Future<Output = T>) -> Result<T, Lost> {
        let mut answer = pin!(answer);
        loop {
            let before = self.heard.load(Ordering::Relaxed);
            if let Ok(answer) = timeout(self.response_timeout, &mut answer).await {
                self.hear();
                return Ok(answer);
            }
            if self.heard.load(Ordering::Relaxed) == before {
                return Err(Lost(format!("{address} did not answer within the response timeout")));
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connector {
    /// Connects, and says who we are. What is pushed is given to `receive`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        receive: Option<Arc<dyn Receive>>,
    ) -> Result<Connection, DialError> {
        let address: Arc<str> = format!("{host}:{port}").into();
        let (end, ended) = watch::channel(None);
        let patience = Patience { response_timeout: self.response_timeout, heard: Arc::default() };
        let unsubscribing = Arc::new(AtomicUsize::new(0));
        let listens = receive.is_some();
        let config = || {
            // Theirs would run out behind much that is received.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let Some(receive) = receive.clone() else { return config };
            let (address, end, asked) = (Arc::clone(&address), end.clone(), Arc::clone(&unsubscribing));
            let patience = patience.clone();
            // Called by the driver, which reads no further until it returns: that is what bounds memory.
            config.set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                patience.hear();
                if let Some(lost) = pushed(&address, push, &*receive, &asked) {
                    end.send_modify(|ended| *ended = ended.take().or(Some(lost)));
                }
                Ok(())
            })
        };
        let info = self.info();
        let socket = self.paced_socket(host, port, listens).await?;
        let (commands, driver) = match MultiplexedConnection::new_with_config(&info, socket, config()).await {
            Ok((commands, driver)) => (commands, driver.boxed()),
            Err(error) if refuses_hello(&error) => {
                events::speaks_the_old_protocol(&address, &said(&error));
                let socket = Resp2::new(self.paced_socket(host, port, listens).await?, &self.greeting(), listens);
                let connecting = MultiplexedConnection::new_with_config(&info, socket, config());
                let (commands, driver) = connecting.await.map_err(|error| refusal(&address, &error))?;
                (commands, driver.boxed())
            }
            Err(error) => return Err(refusal(&address, &error)),
        };
        let closed = Lost(format!("{address} closed the connection"));
        let driver = tokio::spawn(async move {
            driver.await;
            end.send_modify(|ended| *ended = ended.take().or(Some(closed)));
        });
        Ok(Connection { commands, address, ended, unsubscribing, patience, driver: driver.abort_handle() })
    }
}

impl Connector {
    async fn paced_socket(&self, host: &str, port: u16, listens: bool) -> Result<Box<dyn Socket>, DialError> {
        let socket = self.socket(host, port).await?;
        Ok(if listens { Box::new(Paced::new(socket)) } else { socket })
    }

    /// Who we are, in RESP3.
    fn info(&self) -> RedisConnectionInfo {
        let mut info =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_db(i64::from(self.database));
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password);
        }
        info
    }

    /// The same, in RESP2.
    fn greeting(&self) -> Cmd {
        let Some(password) = &self.password else { return cmd("PING") };
        let mut auth = cmd("AUTH");
        if let Some(user) = &self.user {
            auth.arg(user);
        }
        auth.arg(password);
        auth
    }
}

/// Whether it is HELLO that was refused: by a server that does not know it, or does not let us.
fn refuses_hello(error: &RedisError) -> bool {
    let said = error.to_string().to_ascii_lowercase();
    let refused = said.contains("unknown command") || said.contains("no permissions");
    error.kind() == ErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || (refused && said.contains("hello"))
}

impl Connection {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The same, to be kept.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.address
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Sends a command and gives its answer. The inner error is Redis's own.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Result<Value, RedisError>, Lost> {
        let mut connection = self.commands.clone();
        match self.patience.wait(&self.address, connection.send_packed_command(command)).await? {
            Ok(Value::ServerError(error)) => Ok(Err(error.into())),
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(self.gone(&error)),
        }
    }

    /// Redis will be asked to unsubscribe from so many channels.
    pub(crate) fn will_unsubscribe(&self, channels: usize) {
        self.unsubscribing.fetch_add(channels, Ordering::Relaxed);
    }

    /// Sends commands in one write and gives their answers. From the first poll on they have their place in the order.
    pub(crate) fn ask_all(
        &self,
        commands: Pipeline,
    ) -> impl Future<Output = Result<Vec<Value>, Lost>> + Send + 'static {
        let mut connection = self.commands.clone();
        let (address, ended, patience) = (Arc::clone(&self.address), self.ended.clone(), self.patience.clone());
        async move {
            let count = commands.len();
            if count == 0 {
                return Ok(Vec::new());
            }
            let sent = connection.send_packed_commands(&commands, 0, count);
            patience.wait(&address, sent).await?.map_err(|error| why_gone(&address, &ended, &error))
        }
    }

    /// Waits until it ends.
    pub(crate) async fn lost(&self) -> Lost {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(lost)) => lost,
            _ => Lost(format!("the connection to {} has ended", self.address)),
        }
    }

    fn gone(&self, error: &RedisError) -> Lost {
        why_gone(&self.address, &self.ended, error)
    }
}

fn why_gone(address: &str, ended: &watch::Receiver<Option<Lost>>, error: &RedisError) -> Lost {
    ended.borrow().clone().unwrap_or_else(|| Lost(format!("the connection to {address} broke: {error}")))
}

/// Takes what Redis pushes. Gives why the connection is of no use any more, if it is not.
fn pushed(address: &str, push: PushInfo, receive: &dyn Receive, asked: &AtomicUsize) -> Option<Lost> {
    match push.kind {
        PushKind::Message | PushKind::SMessage => {
            let mut data = push.data.into_iter();
            if let (Some(Value::BulkString(channel)), Some(Value::BulkString(message))) = (data.next(), data.next()) {
                receive.receive(&channel, Bytes::from(message));
            }
            None
        }
        PushKind::Unsubscribe | PushKind::SUnsubscribe => {
            // Unasked for, it means that the channel's slot has moved to another server.
            let fewer = asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| asked.checked_sub(1));
            fewer.err().map(|_| Lost(format!("{address} has ended a subscription: a slot has moved")))
        }
        PushKind::Disconnection => Some(Lost(format!("{address} closed the connection"))),
        _ => None,
    }
}

/// What Redis refused, in words that say what to do.
pub(crate) fn refusal(address: &str, error: &RedisError) -> DialError {
    let detail = error.detail().unwrap_or_default();
    // While the connection is set up, the code is lost.
    let code = if detail.contains("has no permissions") { "NOPERM" } else { error.code().unwrap_or_default() };
    let advice = match code {
        "WRONGPASS" => "check `user` and `password`",
        "NOAUTH" => "it wants a `password`, and a `user` if that is not the default one",
        "NOPERM" => {
            "the user may not do what the backplane does. It needs `+publish +subscribe +unsubscribe +spublish \
             +ssubscribe +sunsubscribe +ping +hello +select +get +set +cluster|slots +role`, the channels `&PREFIX:*` and \
             the keys `~PREFIX:*`, where PREFIX is the option `prefix`"
        }
        "ERR" if detail.contains("DB index") => "choose a smaller `database`",
        "ERR" if detail.contains("cluster support disabled") => "it is no Cluster: use `RedisServers::One`",
        "ERR" if detail.contains("unknown command") => {
            "it has to be Redis 6 or newer, and 7 or newer in a Cluster, with that command not renamed"
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => "check `user` and `password`",
        _ if error.to_string().contains("CertificateRequired") => {
            "it wants a certificate of ours: `RedisTls::identity`"
        }
        _ if error.is_io_error() && !error.is_timeout() => {
            // Who is turned away reads nothing of why, for the connection is reset.
            return DialError::NotThere(format!(
                "{address} ended the connection as soon as it was made ({error}). Does it want TLS (`rediss`), or keep us \
                 out (`protected-mode`, `maxclients`)?"
            ));
        }
        _ => return DialError::NotThere(format!("{address} could not be used: {}", said(error))),
    };
    DialError::Refused(format!("Redis at {address} refused: {}{TO_DO}{advice}", said(error)))
}

/// An error as Redis wrote it.
pub(crate) fn said(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
