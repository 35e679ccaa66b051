//! The recorded transcripts: what went over the wire between the official .NET client and ASP.NET Core.

use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Transcript {
    pub(crate) scenario: String,
    pub(crate) protocol: Protocol,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Json,
    MessagePack,
}

/// Something that one side did on one TCP connection.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) from: Side,
    pub(crate) conn: u32,
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) head: Head,
    text: Option<String>,
    hex: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    HttpRequest,
    HttpResponse,
    WsText,
    WsBinary,
    WsClose,
    #[serde(other)]
    TcpLevel,
}

/// What stands in front of a step's data; which fields are there depends on the kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) status: u16,
    /// Of a WebSocket close frame.
    pub(crate) code: u16,
    /// Of a WebSocket message in several frames: 0 continues it.
    pub(crate) opcode: Option<u8>,
    pub(crate) fin: Option<bool>,
}

impl Transcript {
    pub(crate) fn load(scenario: &str) -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/dotnet-client").join(scenario).with_extension("json");
        let json = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Step {
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Some(hex) = &self.hex else {
            return self.text().into();
        };
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        (0..hex.len()).step_by(2).map(digit).collect()
    }
}

impl Head {
    pub(crate) fn is_upgrade(&self) -> bool {
        self.method == "GET"
    }
}
