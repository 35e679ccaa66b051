//! The recorded transcripts: what went over the wire between the official .NET client and ASP.NET Core.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One recorded run of a program with the .NET client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// What it is about.
    pub scenario: String,
    /// The hub protocol.
    pub protocol: Protocol,
    /// What the program reported, a line each.
    pub client_saw: Vec<String>,
    /// What went over the wire.
    pub steps: Vec<Step>,
}

/// A hub protocol.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they have no more to them than their names")]
pub enum Protocol {
    Json,
    MessagePack,
}

/// Something that one side did on one TCP connection.
#[derive(Deserialize)]
pub struct Step {
    /// Who did it.
    pub from: Side,
    /// On which connection, counted from 1.
    pub conn: u32,
    /// What it was.
    pub kind: Kind,
    /// What stands in front of the data.
    #[serde(default)]
    pub head: Head,
    /// It was sent, and lost on the way on purpose.
    #[serde(default)]
    pub lost: bool,
    text: Option<String>,
    hex: Option<String>,
}

/// One end of a connection, or what stood between them.
#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they have no more to them than their names")]
pub enum Side {
    Client,
    Server,
    Proxy,
}

/// What a step is.
#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they have no more to them than their names")]
pub enum Kind {
    HttpRequest,
    HttpResponse,
    WsText,
    WsBinary,
    WsPing,
    WsPong,
    WsClose,
    /// The connection was cut.
    TcpCut,
    /// The connection was reset.
    TcpRst,
    /// Opening and closing of TCP connections, which follows from the rest.
    #[serde(other)]
    TcpLevel,
}

/// What stands in front of a step's data; which fields are there depends on the kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Of a request.
    pub method: String,
    /// Of a request, with its query.
    pub path: String,
    /// Of a request or response.
    pub headers: Vec<(String, String)>,
    /// Of a response.
    pub status: u16,
    /// Of a response, behind the status.
    pub reason: String,
    /// Of a WebSocket close frame that has one.
    pub code: Option<u16>,
    /// Of a WebSocket message in several frames: 0 continues it.
    pub opcode: Option<u8>,
    /// Whether a WebSocket frame is the last of its message.
    pub fin: Option<bool>,
}

impl Transcript {
    /// Reads `tests/data/dotnet-client/{name}.json`.
    ///
    /// # Panics
    /// When the file is not there, or is no transcript.
    pub fn load(name: &str) -> Self {
        let path = directory().join(name).with_extension("json");
        let json = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The names of all transcripts, in order.
///
/// # Panics
/// When their directory cannot be read.
pub fn recorded() -> Vec<String> {
    let files = fs::read_dir(directory()).expect("the directory is there");
    let names = files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/dotnet-client")
}

impl Step {
    /// Its text, if that is what it is.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Its bytes, text or not.
    pub fn bytes(&self) -> Vec<u8> {
        let Some(hex) = &self.hex else {
            return self.text().into();
        };
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        (0..hex.len()).step_by(2).map(digit).collect()
    }
}

impl Head {
    /// Whether a request asks for a WebSocket.
    pub fn is_upgrade(&self) -> bool {
        self.method == "GET"
    }
}
