//! What the recorded program reported, line by line, and what ours has to report in its place.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub_client::{ConnectError, Connection, Ended as End, Event};
use hub_core::CallError;
use rmpv::Value;
use transcripts::{Ended, Names, Transcript};

use crate::handlers::Called;
use crate::program::Outcome;

/// What our program has to report.
pub(crate) struct Report {
    pub(crate) started: Option<Result<Connection, ConnectError>>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) noticed: Vec<Called>,
    pub(crate) events: Vec<Event>,
    pub(crate) stopped: bool,
    pub(crate) tokens: usize,
}

/// The lines that our program cannot have, and why: by scenario, and how they begin.
const WITHOUT: [(&str, &str, &str); 5] = [
    ("trace-headers", "span ", "spans are .NET's own"),
    (
        "stream-cancel",
        "StreamCanceled calls 150 ms after",
        "dropping a stream cancels it, whereas .NET lets it run (P-CAN-01)",
    ),
    ("client-result", "AskCaller without handler", "the question is answered in the words of P-CR-07"),
    ("upload-error", "UploadCatch(cancelled", "an upload is cancelled with its call, whose result is dropped then"),
    ("skip-negotiation", "ConnectionId", "it is looked at when all is over, and there is none"),
];

/// What our client sees instead where a member that is null is absent for it (P-DIV-02).
const INSTEAD: [(&str, [&str; 2]); 3] = [
    ("injected-close-null-error", ["event Closed: no error", "pending call -> TaskCanceledException: "]),
    ("injected-null-error", ["event Closed: no error", "pending call -> "]),
    ("injected-null-invocation-id", ["event Closed: no error", "pending call -> TaskCanceledException: "]),
];

/// What one line says of a call.
enum Line<'a> {
    Value(Value),
    /// The beginning of a text, and how long it is.
    LongText(&'a str, usize),
    /// An error of the hub's.
    Remote(&'a str),
    /// The result was of another type.
    Decode,
    /// The connection was lost, with this text if it matters.
    Closed(Option<String>),
    /// Cancelled here, or with the connection.
    Cancelled,
    Refused,
    Start(&'a str),
}

/// Looks for every line of the recorded report in ours, and for events that the recorded one did not have.
pub(crate) fn compare(transcript: &Transcript, reports: &[Report]) -> Result<(), String> {
    let mut outcomes: Vec<Option<&Outcome>> = reports.iter().flat_map(|report| &report.outcomes).map(Some).collect();
    let mut events: VecDeque<&Event> = reports.iter().flat_map(|report| &report.events).collect();
    let noticed: Vec<&Called> = reports.iter().flat_map(|report| &report.noticed).collect();
    let first = |called: &&Called| called.1.first().cloned().unwrap_or(Value::Nil);
    let mut handled = Vec::new();
    let instead = INSTEAD.iter().find(|(scenario, _)| *scenario == transcript.scenario);
    let lines = match instead {
        Some((_, lines)) => lines.map(str::to_owned).to_vec(),
        None => transcript.client_saw.clone(),
    };
    for line in &lines {
        let without = WITHOUT.iter().find(|(of, begin, _)| *of == transcript.scenario && line.starts_with(begin));
        if let Some((_, begin, why)) = without {
            println!("{}: left out: {begin}.., for {why}", transcript.scenario);
        } else if let Some(event) = line.strip_prefix("event ") {
            let live = events.pop_front().ok_or(format!("no more events, not {line}"))?;
            if !is_event(event, live) {
                return Err(format!("expected {line}, got {live:?}"));
            }
        } else if line == "StopAsync done" {
            check(reports.iter().any(|report| report.stopped), line)?;
        } else if let Some((_, got)) = line.split_once("handler got ") {
            let got = got.split_once(']').map_or(got, |(got, _)| got).trim_start_matches('[');
            handled.extend(got.split(',').filter(|got| !got.is_empty()).map(str::to_owned));
        } else if let Some(count) = line.strip_prefix("token provider was called ") {
            // Ours is asked once for each negotiation, .NET's for each request.
            let most = count.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
            let tokens: usize = reports.iter().map(|report| report.tokens).sum();
            check((1..=most).contains(&tokens), line)?;
        } else if let Some((label, result)) = line.rsplit_once(" -> ") {
            let expected = read(result);
            let fits = |outcome: &Outcome| is_outcome(label, &expected, outcome);
            if let Some(found) = outcomes.iter_mut().find(|outcome| outcome.is_some_and(fits)) {
                *found = None;
                continue;
            }
            let derived = match &expected {
                Line::Value(Value::Array(all)) => noticed.iter().map(first).eq(all.iter().cloned()),
                Line::Value(value) => {
                    noticed.iter().map(first).any(|one| same(value, &one))
                        || value.as_u64() == Some(noticed.len() as u64)
                }
                Line::Start(text) => reports.iter().any(|report| failed_to_start(report, text)),
                Line::Cancelled => reports.iter().any(|report| failed_to_start(report, "timeout")),
                // It is tried at the end of every program.
                Line::Refused => true,
                _ => false,
            };
            check(derived, line)?;
        } else if !line.starts_with("state ") {
            // The states are looked at on the way: connected when it is stopped, disconnected at the end.
            return Err(format!("what does this mean: {line}"));
        }
    }
    if !handled.is_empty() {
        let live: Vec<_> = noticed.iter().map(|called| first(called).as_str().unwrap_or_default().to_owned()).collect();
        check(live == handled, &format!("handlers got {handled:?}, ours {live:?}"))?;
    }
    match events.pop_front() {
        Some(event) => Err(format!("the recording has no {event:?}")),
        None => Ok(()),
    }
}

fn check(is_so: bool, line: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(format!("ours has no {line}")) }
}

fn read(result: &str) -> Line<'_> {
    let (name, text) = result.split_once(": ").unwrap_or((result.trim_end_matches(':'), ""));
    // What caused an exception stands behind it.
    let text = text.split(" <- ").next().unwrap_or_default();
    match name {
        "" | "done" => Line::Value(Value::Nil),
        "HubException" if text.starts_with("The server closed") => {
            // Ours says so where there is no text.
            let missing = if text.ends_with(": ") { "(it has no text)" } else { "" };
            Line::Closed(Some(format!("{text}{missing}")))
        }
        "HubException" if text.starts_with("Error trying to deserialize result") => Line::Decode,
        "HubException" => Line::Remote(text),
        "InvalidDataException" => Line::Closed(Some(format!("The server broke the protocol: {text}"))),
        "WebSocketException" => Line::Closed(None),
        "TaskCanceledException" | "OperationCanceledException" => Line::Cancelled,
        // P-INV-18: in the words of the JavaScript client.
        "InvalidOperationException" if text.starts_with("Streaming hub methods") => {
            Line::Remote("Unexpected message type: 2")
        }
        "InvalidOperationException" => Line::Refused,
        "HttpRequestException" | "AggregateException" => Line::Start(text),
        _ => match (serde_json::from_str(result), result.strip_prefix('"').and_then(|text| text.split_once("... ("))) {
            (Ok(value), _) => Line::Value(value),
            (_, Some((text, length))) => {
                Line::LongText(text, length.split(' ').next().and_then(|length| length.parse().ok()).unwrap_or(0))
            }
            _ => Line::Value(result.into()),
        },
    }
}

fn is_outcome(label: &str, line: &Line<'_>, outcome: &Outcome) -> bool {
    match (line, outcome) {
        (Line::Value(Value::Array(all)), Outcome::Items(items, _, None)) => all == items,
        (Line::Value(expected), Outcome::Value(live)) => {
            // The program may have looked at one member only.
            let member = label.split_once("().").map(|(_, name)| name);
            let member = member.and_then(|name| live.as_map()?.iter().find(|(of, _)| of.as_str() == Some(name)));
            same(expected, member.map_or(live, |(_, member)| member))
        }
        (Line::LongText(begin, length), Outcome::Value(Value::String(text))) => {
            // Counted as JSON, with its quotes.
            text.as_str().is_some_and(|text| text.starts_with(begin) && text.len() + 2 == *length)
        }
        (Line::Remote(text), Outcome::Failed(error) | Outcome::Items(_, _, Some(error))) => {
            *error == CallError::Remote((*text).to_owned())
        }
        (Line::Decode, Outcome::Failed(CallError::Decode(text))) => {
            text.starts_with("Error trying to deserialize result to ")
        }
        (Line::Closed(Some(text)), Outcome::Failed(error)) => *error == CallError::Closed(text.clone()),
        (Line::Closed(None), Outcome::Failed(CallError::Closed(text))) => text.starts_with("The connection was lost: "),
        (Line::Cancelled, outcome) => matches!(
            outcome,
            Outcome::Given
                | Outcome::Failed(CallError::Closed(_) | CallError::Cancelled)
                | Outcome::Items(_, _, Some(CallError::Closed(_) | CallError::Cancelled))
        ),
        (Line::Refused, Outcome::Failed(CallError::Refused(_))) => true,
        _ => false,
    }
}

fn is_event(line: &str, event: &Event) -> bool {
    match (line.split_once(": "), event) {
        (Some(("Closed", cause)), Event::Closed(end)) | (Some(("Reconnecting", cause)), Event::Reconnecting(end)) => {
            is_cause(cause, end)
        }
        (Some(("Reconnected", _)), Event::Reconnected(id)) => id.is_some(),
        _ => false,
    }
}

fn is_cause(line: &str, end: &End) -> bool {
    match (line, read(line)) {
        // Ours says that the connection was lost where .NET has no error.
        ("no error", _) => matches!(end, End::Stopped | End::ByServer { error: None, .. } | End::Lost(_)),
        (_, Line::Closed(Some(text))) => {
            matches!(end, End::ByServer { error: Some(_), .. } | End::Protocol(_)) && end.to_string() == text
        }
        (_, Line::Closed(None)) => matches!(end, End::Lost(_)),
        (line, _) if line.starts_with("TimeoutException: ") => matches!(end, End::TimedOut(_)),
        (line, _)
            if line.starts_with("InvalidOperationException: Websocket closed with error: InternalServerError") =>
        {
            matches!(end, End::Lost(text) if text.contains("1011"))
        }
        (line, _) => {
            let begin =
                line.trim_start_matches("OperationCanceledException: ").split(" and ").next().unwrap_or_default();
            matches!(end, End::GaveUp { .. }) && end.to_string().starts_with(begin)
        }
    }
}

fn failed_to_start(report: &Report, text: &str) -> bool {
    match &report.started {
        Some(Err(ConnectError::Negotiation { status: Some(status), .. })) => text.contains(&status.to_string()),
        Some(Err(ConnectError::NoTransport(_))) => text.starts_with("Unable to connect to the server with any"),
        Some(Err(ConnectError::TimedOut { .. })) => text == "timeout",
        _ => false,
    }
}

/// Whether two values are the same; bytes are base64 in a report.
fn same(expected: &Value, live: &Value) -> bool {
    match live {
        Value::Binary(bytes) => expected.as_str() == Some(&STANDARD.encode(bytes)),
        _ => Names::new().unify(expected, live).is_ok(),
    }
}

/// Compares how a call ended with what the server said of it.
pub(crate) fn compare_outcome(
    outcome: &Outcome,
    ended: Option<&Ended>,
    sent: &[Value],
    names: &mut Names,
) -> Result<(), String> {
    let is_same = match (outcome, ended) {
        // Nothing was asked for, or nobody waited; or the connection has ended first.
        (Outcome::Value(Value::Nil), None) | (Outcome::Given, _) => true,
        (Outcome::Failed(CallError::Closed(_) | CallError::Cancelled), None) => true,
        (Outcome::Items(items, 0, Some(CallError::Closed(_) | CallError::Cancelled)), None) => sent.starts_with(items),
        (Outcome::Value(live), Some(Ended::Value(value))) => return names.unify(value, live),
        // P-INV-12, P-JSON-12
        (Outcome::Value(live), Some(Ended::Void)) => live.is_nil(),
        (Outcome::Value(live), Some(Ended::Error(text))) => live.is_nil() && text.is_empty(),
        (Outcome::Failed(CallError::Remote(live)), Some(Ended::Error(text))) => live == text,
        // P-INV-19
        (Outcome::Failed(CallError::Decode(_)), Some(Ended::Value(_))) => true,
        (Outcome::Items(items, misread, None), Some(Ended::Void)) => {
            items.len() + misread == sent.len() && (*misread > 0 || items == sent)
        }
        (Outcome::Items(items, 0, Some(CallError::Remote(live))), Some(Ended::Error(text))) => {
            live == text && items == sent
        }
        _ => false,
    };
    if is_same { Ok(()) } else { Err(format!("the server sent {sent:?} and {ended:?}, our client saw {outcome:?}")) }
}
