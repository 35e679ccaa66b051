//! The way to a server, which can be cut.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Relays TCP connections to a server, until it is dropped or breaks them.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    way: Way,
    /// Connections of an earlier number are closed.
    cuts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Bytes wait.
    Stalled,
    /// Bytes to the server wait.
    StalledTo,
    /// Bytes from the server wait.
    StalledFrom,
    /// At most so many bytes a tenth of a second from the server.
    Slow(usize),
    /// New connections are closed at once.
    Closed,
}

impl Relay {
    /// Relays to this address.
    ///
    /// # Errors
    /// When no port could be had.
    pub async fn to(server: impl Into<String>) -> io::Result<Self> {
        let server = server.into();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(State { way: Way::Open, cuts: 0 });
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, server.clone(), states.clone()));
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it listens: `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Closes all connections. New ones are possible.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Closes all connections, and new ones as soon as they come, until [`open`](Self::open).
    pub fn close(&self) {
        self.state.send_modify(|state| *state = State { way: Way::Closed, cuts: state.cuts + 1 });
    }

    /// Holds all bytes back, in both directions, until [`open`](Self::open).
    pub fn stall(&self) {
        self.state.send_modify(|state| state.way = Way::Stalled);
    }

    /// Holds back what is for the server, until [`open`](Self::open).
    pub fn stall_to_server(&self) {
        self.state.send_modify(|state| state.way = Way::StalledTo);
    }

    /// Holds back what the server says, until [`open`](Self::open).
    pub fn stall_from_server(&self) {
        self.state.send_modify(|state| state.way = Way::StalledFrom);
    }

    /// Lets through at most so many bytes a tenth of a second from the server, until [`open`](Self::open).
    pub fn slow(&self, bytes: usize) {
        self.state.send_modify(|state| state.way = Way::Slow(bytes));
    }

    /// Lets all through again.
    pub fn open(&self) {
        self.state.send_modify(|state| state.way = Way::Open);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(client: TcpStream, server: String, mut states: watch::Receiver<State>) {
    let State { way, cuts } = *states.borrow_and_update();
    if way == Way::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (to, fro) = (states.clone(), states.clone());
    tokio::select! {
        // First, so that nothing held back gets through with the cut.
        biased;
        _ = states.wait_for(|state| state.cuts != cuts) => {}
        () = copy(from_client, to_server, to, false) => {}
        () = copy(from_server, to_client, fro, true) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut states: watch::Receiver<State>, from_server: bool) {
    let held = if from_server { Way::StalledFrom } else { Way::StalledTo };
    let flows = move |state: &State| state.way != Way::Stalled && state.way != held;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // Gone with the relay.
        let Ok(way) = states.wait_for(flows).await.map(|state| state.way) else { return };
        let most = match way {
            Way::Slow(bytes) if from_server => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                bytes.clamp(1, buffer.len())
            }
            _ => buffer.len(),
        };
        let read = from.read(&mut buffer[..most]).await;
        // It may have been stalled while this was waited for. The end of a connection is held back, too.
        if states.wait_for(flows).await.is_err() {
            return;
        }
        let Ok(length @ 1..) = read else { return };
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
