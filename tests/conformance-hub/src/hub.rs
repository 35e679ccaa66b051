//! The methods of the conformance hub.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hub_core::{Binary, CallError, Caller, HubError, Result, Upload, contract};
use hub_server::{Context, DisconnectReason, Hub, hub};
use serde::{Deserialize, Serialize};

/// A value of many types.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Sample {
    name: String,
    value: i32,
    ratio: f64,
    tags: Vec<String>,
    child: Option<Box<Self>>,
}

/// Who the caller is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WhoAmI {
    connection_id: String,
    user_id: Option<String>,
    role: Option<String>,
}

/// What the hub calls on its clients.
#[contract]
pub(crate) trait ConformanceClient {
    async fn message(&self, text: &str, from: &str);
    async fn receive(&self, text: &str);
    async fn object(&self, sample: &Sample);
    async fn connected(&self, connection_id: &str);
    async fn gone(&self, connection_id: &str, error: Option<String>);
    async fn stream_canceled(&self);
    async fn wait_canceled(&self);
    async fn ask(&self, prompt: &str) -> Result<Option<String>>;
}

/// The error of `Fail`, called as in .NET.
#[derive(Debug)]
struct InvalidOperationException(String);

impl std::fmt::Display for InvalidOperationException {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOperationException {}

pub(crate) struct ConformanceHub {
    cx: Context<Self>,
}

impl ConformanceHub {
    pub(crate) fn new(cx: Context<Self>) -> Self {
        Self { cx }
    }

    fn id(&self) -> &str {
        self.cx.connection_id()
    }
}

impl Hub for ConformanceHub {
    type Client = ConformanceClientProxy;

    async fn connected(&self) -> Result<()> {
        if self.cx.request().query("announce").as_deref() == Some("1") {
            self.cx.caller().connected(self.id()).await?;
        }
        Ok(())
    }

    async fn disconnected(&self, reason: &DisconnectReason) {
        let gone = self.cx.group("watchers").gone(self.id(), reason.error()).await;
        if let Err(error) = gone {
            tracing::warn!(%error, "the watchers were not told");
        }
    }
}

fn is_user(caller: &Caller<'_>) -> bool {
    caller.user_id().is_some()
}

fn is_admin(caller: &Caller<'_>) -> bool {
    caller.has_role("admin")
}

/// A client's answer, or its error for everybody to read.
fn told(answer: Result<Option<String>, CallError>) -> Result<Option<String>> {
    answer.map_err(|error| HubError::public(error.to_string()))
}

fn ints(count: i32) -> impl Stream<Item = Result<i32>> + Send {
    stream::iter(0..count).map(Ok)
}

#[hub]
impl ConformanceHub {
    #[method]
    async fn echo(&self, text: Option<String>) -> Result<Option<String>> {
        Ok(text)
    }

    #[method]
    async fn echo_object(&self, sample: Option<Sample>) -> Result<Option<Sample>> {
        Ok(sample)
    }

    #[method]
    async fn echo_bytes(&self, bytes: Binary) -> Result<Binary> {
        Ok(bytes)
    }

    #[method]
    async fn add(&self, a: i32, b: i32) -> Result<i32> {
        Ok(a.wrapping_add(b))
    }

    #[method]
    async fn join(&self, first: String, second: Option<String>) -> Result<String> {
        Ok(second.map_or(first.clone(), |second| format!("{first}-{second}")))
    }

    #[method]
    async fn nothing(&self) {}

    #[method]
    async fn fail(&self, text: String) -> Result<()> {
        Err(InvalidOperationException(text).into())
    }

    #[method]
    async fn fail_public(&self, text: &str) -> Result<()> {
        Err(HubError::public(text))
    }

    #[method]
    async fn who_am_i(&self) -> Result<WhoAmI> {
        let identity = self.cx.identity();
        Ok(WhoAmI {
            connection_id: self.id().to_owned(),
            user_id: identity.user_id().map(str::to_owned),
            role: identity.claim("role").map(str::to_owned),
        })
    }

    #[method]
    async fn transport(&self) -> Result<&'static str> {
        Ok(self.cx.transport())
    }

    #[method]
    async fn header(&self, name: &str) -> Result<Option<String>> {
        Ok(self.cx.request().header(name).map(str::to_owned))
    }

    #[method]
    async fn query(&self, name: &str) -> Result<Option<String>> {
        Ok(self.cx.request().query(name))
    }

    #[method]
    async fn sleep(&self, ms: i32) -> Result<i32> {
        tokio::time::sleep(millis(ms)).await;
        Ok(ms)
    }

    #[method]
    async fn wait(&self, ms: i32) -> Result<&'static str> {
        tokio::select! {
            () = tokio::time::sleep(millis(ms)) => Ok("waited"),
            () = self.cx.cancelled() => {
                self.cx.caller().wait_canceled().await?;
                Err(HubError::private("cancelled"))
            }
        }
    }

    #[method]
    async fn abort(&self) {
        self.cx.abort();
    }

    #[method]
    #[authorize(is_user)]
    async fn secret(&self) -> Result<&'static str> {
        Ok("secret")
    }

    #[method]
    #[authorize(is_admin)]
    async fn admin_only(&self) -> Result<&'static str> {
        Ok("admin")
    }

    // Sends

    #[method]
    async fn send_to_caller(&self, text: &str) -> Result<()> {
        Ok(self.cx.caller().message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_all(&self, text: &str) -> Result<()> {
        Ok(self.cx.all().message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_others(&self, text: &str) -> Result<()> {
        Ok(self.cx.others().message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_all_except(&self, text: &str, ids: Vec<String>) -> Result<()> {
        Ok(self.cx.all_except(ids).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_client(&self, id: &str, text: &str) -> Result<()> {
        Ok(self.cx.connection(id).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_clients(&self, ids: Vec<String>, text: &str) -> Result<()> {
        Ok(self.cx.connections(ids).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_group(&self, group: &str, text: &str) -> Result<()> {
        Ok(self.cx.group(group).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_groups(&self, groups: Vec<String>, text: &str) -> Result<()> {
        Ok(self.cx.groups(groups).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_group_except(&self, group: &str, text: &str, ids: Vec<String>) -> Result<()> {
        Ok(self.cx.group_except(group, ids).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_others_in_group(&self, group: &str, text: &str) -> Result<()> {
        Ok(self.cx.others_in_group(group).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_user(&self, user: &str, text: &str) -> Result<()> {
        Ok(self.cx.user(user).message(text, self.id()).await?)
    }

    #[method]
    async fn send_to_users(&self, users: Vec<String>, text: &str) -> Result<()> {
        Ok(self.cx.users(users).message(text, self.id()).await?)
    }

    #[method]
    async fn broadcast(&self, text: &str) -> Result<()> {
        Ok(self.cx.all().receive(text).await?)
    }

    #[method]
    async fn send_object(&self, sample: &Sample) -> Result<()> {
        Ok(self.cx.caller().object(sample).await?)
    }

    // Groups

    #[method]
    async fn join_group(&self, group: &str) -> Result<()> {
        self.cx.join(group).await
    }

    #[method]
    async fn leave_group(&self, group: &str) -> Result<()> {
        self.cx.leave(group).await
    }

    #[method]
    async fn add_to_group(&self, id: &str, group: &str) -> Result<()> {
        self.cx.add_to_group(id, group).await
    }

    #[method]
    async fn remove_from_group(&self, id: &str, group: &str) -> Result<()> {
        self.cx.remove_from_group(id, group).await
    }

    // Streams to the caller

    #[method]
    fn counter(&self, count: i32, delay_ms: i32) -> impl Stream<Item = Result<i32>> {
        ints(count).then(move |item| async move {
            if delay_ms > 0 {
                tokio::time::sleep(millis(delay_ms)).await;
            }
            item
        })
    }

    #[method]
    fn words(&self, text: &str) -> impl Stream<Item = Result<String>> {
        stream::iter(text.split(' ').filter(|word| !word.is_empty()).map(|word| Ok(word.to_owned())))
    }

    #[method]
    fn stream_fail(&self, count: i32, text: String) -> impl Stream<Item = Result<i32>> {
        ints(count).chain(stream::once(async { Err(InvalidOperationException(text).into()) }))
    }

    #[method]
    fn stream_fail_public(&self, count: i32, text: String) -> impl Stream<Item = Result<i32>> {
        ints(count).chain(stream::once(async { Err(HubError::public(text)) }))
    }

    #[method]
    fn infinite(&self, delay_ms: i32) -> impl Stream<Item = Result<i32>> {
        /// A stream is cancelled by dropping it: this is dropped with it.
        struct OnDrop(Context<ConformanceHub>);

        impl Drop for OnDrop {
            fn drop(&mut self) {
                let caller = self.0.caller();
                tokio::spawn(async move { caller.stream_canceled().await });
            }
        }

        let on_drop = OnDrop(self.cx.clone());
        stream::unfold((0, on_drop), move |(number, on_drop)| async move {
            if number > 0 {
                tokio::time::sleep(millis(delay_ms.max(1))).await;
            }
            Some((Ok(number), (number + 1, on_drop)))
        })
    }

    // Streams from the caller

    #[method]
    async fn sum(&self, mut items: Upload<i32>) -> Result<i32> {
        let mut sum = 0_i32;
        while let Some(item) = items.next().await {
            sum = sum.wrapping_add(item?);
        }
        Ok(sum)
    }

    #[method]
    async fn concat(&self, mut items: Upload<Option<String>>) -> Result<String> {
        let mut all = String::new();
        while let Some(item) = items.next().await {
            all += item?.as_deref().unwrap_or_default();
        }
        Ok(all)
    }

    #[method]
    fn relay(&self, items: Upload<i32>) -> impl Stream<Item = Result<i32>> {
        items.map(|item| Ok(item?.wrapping_mul(2)))
    }

    #[method]
    async fn two_uploads(&self, numbers: Upload<i32>, prefix: &str, texts: Upload<Option<String>>) -> Result<String> {
        let sum = self.sum(numbers).await?;
        let all = self.concat(texts).await?;
        Ok(format!("{prefix}:{sum}:{all}"))
    }

    #[method]
    async fn upload_catch(&self, mut items: Upload<i32>) -> Result<String> {
        let mut count = 0;
        while let Some(item) = items.next().await {
            match item {
                Ok(_) => count += 1,
                Err(error) => return Ok(format!("error:{error}")),
            }
        }
        Ok(format!("ok:{count}"))
    }

    // Client results

    #[method]
    async fn ask_caller(&self, prompt: &str) -> Result<Option<String>> {
        told(self.cx.caller().ask(prompt).await)
    }

    #[method]
    async fn ask_client(&self, id: &str, prompt: &str) -> Result<Option<String>> {
        told(self.cx.connection(id).ask(prompt).await)
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs().into())
}
