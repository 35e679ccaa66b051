//! The conformance hub as a contract, method by method.

use hub_core::{Binary, Result, Stream, Upload, contract};
use serde::{Deserialize, Serialize};

/// A value with a bit of everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Sample {
    /// A text.
    pub name: String,
    /// A number.
    pub value: i32,
    /// Another.
    pub ratio: f64,
    /// A list.
    pub tags: Vec<String>,
    /// One more of it.
    pub child: Option<Box<Self>>,
}

/// Who the hub takes the caller for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    /// The id of the connection.
    pub connection_id: String,
    /// The user.
    pub user_id: Option<String>,
    /// The role.
    pub role: Option<String>,
}

/// What a client may ask of the hub.
#[contract]
#[expect(missing_docs, reason = "they are described where the hub is")]
pub trait ConformanceHub {
    async fn echo(&self, text: &str) -> Result<String>;
    async fn echo_object(&self, sample: &Sample) -> Result<Sample>;
    async fn echo_bytes(&self, bytes: &Binary) -> Result<Binary>;
    async fn add(&self, left: i32, right: i32) -> Result<i32>;
    async fn join(&self, first: &str, second: Option<String>) -> Result<String>;
    async fn nothing(&self) -> Result<()>;
    async fn fail(&self, text: &str) -> Result<()>;
    async fn fail_public(&self, text: &str) -> Result<()>;
    async fn who_am_i(&self) -> Result<Identity>;
    async fn transport(&self) -> Result<String>;
    async fn header(&self, name: &str) -> Result<Option<String>>;
    async fn query(&self, name: &str) -> Result<Option<String>>;
    async fn sleep(&self, milliseconds: i32) -> Result<i32>;
    async fn wait(&self, milliseconds: i32) -> Result<String>;
    async fn abort(&self) -> Result<()>;
    async fn secret(&self) -> Result<String>;
    async fn admin_only(&self) -> Result<String>;

    async fn send_to_caller(&self, text: &str) -> Result<()>;
    async fn send_to_all(&self, text: &str) -> Result<()>;
    async fn send_to_others(&self, text: &str) -> Result<()>;
    async fn send_to_all_except(&self, text: &str, ids: &[String]) -> Result<()>;
    async fn send_to_client(&self, id: &str, text: &str) -> Result<()>;
    async fn send_to_clients(&self, ids: &[String], text: &str) -> Result<()>;
    async fn send_to_group(&self, group: &str, text: &str) -> Result<()>;
    async fn send_to_groups(&self, groups: &[String], text: &str) -> Result<()>;
    async fn send_to_group_except(&self, group: &str, text: &str, ids: &[String]) -> Result<()>;
    async fn send_to_others_in_group(&self, group: &str, text: &str) -> Result<()>;
    async fn send_to_user(&self, user: &str, text: &str) -> Result<()>;
    async fn send_to_users(&self, users: &[String], text: &str) -> Result<()>;
    async fn broadcast(&self, text: &str);
    async fn send_object(&self, sample: &Sample);
    async fn join_group(&self, group: &str) -> Result<()>;
    async fn leave_group(&self, group: &str) -> Result<()>;
    async fn add_to_group(&self, id: &str, group: &str) -> Result<()>;
    async fn remove_from_group(&self, id: &str, group: &str) -> Result<()>;

    fn counter(&self, count: i32, delay_ms: i32) -> impl Stream<Item = Result<i32>>;
    fn words(&self, text: &str) -> impl Stream<Item = Result<String>>;
    fn stream_fail(&self, count: i32, text: &str) -> impl Stream<Item = Result<i32>>;
    fn stream_fail_public(&self, count: i32, text: &str) -> impl Stream<Item = Result<i32>>;
    fn infinite(&self, delay_ms: i32) -> impl Stream<Item = Result<i32>>;

    async fn sum(&self, numbers: Upload<i32>) -> Result<i32>;
    async fn concat(&self, texts: Upload<String>) -> Result<String>;
    fn relay(&self, numbers: Upload<i32>) -> impl Stream<Item = Result<i32>>;
    async fn two_uploads(&self, numbers: Upload<i32>, prefix: &str, texts: Upload<String>) -> Result<String>;

    async fn ask_caller(&self, prompt: &str) -> Result<String>;
    async fn ask_client(&self, id: &str, prompt: &str) -> Result<String>;
}

/// What the hub may ask of a client.
#[contract]
#[expect(missing_docs, reason = "they are described where the hub is")]
pub trait ConformanceClient {
    async fn message(&self, text: &str, from: &str);
    async fn receive(&self, text: &str);
    async fn object(&self, sample: &Sample);
    async fn stream_canceled(&self);
    async fn wait_canceled(&self);
    async fn ask(&self, prompt: &str) -> Result<String>;
    async fn connected(&self, id: &str);
    async fn gone(&self, id: &str, error: Option<String>);
}
