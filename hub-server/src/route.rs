//! A hub as part of an axum application: its options, and the HTTP requests of its path.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::request::Parts;
use http::{Method, Request as HttpRequest, StatusCode, header};
use hub_core::backplane::Backplane;
use hub_core::{Identity, InvalidOption};
use tower_http::catch_panic::CatchPanicLayer;

use crate::admission::{Admission, Answer, refuse};
use crate::connection::{Opening, serve};
use crate::context::{Context, Hub};
use crate::dispatcher::{Dispatcher, Service, panic_message};
use crate::events;
use crate::handle::HubHandle;
use crate::hosts::AllowedHosts;
use crate::hub::HubState;
use crate::identify::{Identify, Refusal};
use crate::negotiate::negotiate;
use crate::options::HubOptions;
use crate::origins::Origins;
use crate::request::{Request, joined_query_parameters};
use crate::tokens::Refused;
use crate::transport::socket::Socket;
use crate::transport::web_socket::WebSocket;
use crate::upgrade;

/// A hub to be mounted into an axum router, at a path of its own.
///
/// ```
/// use hub_core::{Result, Untyped};
/// use hub_server::{Context, Hub, HubRoute, hub};
///
/// struct Greeter { cx: Context<Greeter> }
///
/// impl Hub for Greeter { type Client = Untyped; }
///
/// #[hub]
/// impl Greeter {
///     #[method]
///     async fn greet(&self, name: &str) -> Result<String> {
///         Ok(format!("Hello {name} on {}", self.cx.connection_id()))
///     }
/// }
///
/// let greeter = HubRoute::new(|cx| Greeter { cx }).at("/greeter");
/// let app: axum::Router = axum::Router::new().merge(greeter);
/// ```
///
/// # Its addresses
///
/// A hub [at](Self::at) `/greeter` has the routes `/greeter` and `/greeter/negotiate`, each with and without a slash at
/// the end, since clients that are told to connect to `http://example.org/greeter/` do so. All else, `/greeter/x` too, is
/// the application's: its routes, its fallback. Upper and lower case differ, as in all routes of axum and unlike those of
/// ASP.NET Core; `/Greeter` is another path.
///
/// A hub without a path is nested: `.nest("/greeter", greeter.into())` does the same but for `/greeter/`, which axum's
/// nested routers cannot serve. `nest_service` can; it also keeps all that begins with `/greeter/` from the application.
pub struct HubRoute<H: Hub> {
    dispatcher: Dispatcher<H>,
    options: HubOptions,
    path: Box<str>,
    identify: Identify,
    origins: Origins,
    hosts: AllowedHosts,
    token_key: Option<[u8; 32]>,
    name: Option<Box<str>>,
    backplane: Option<Arc<dyn Backplane>>,
}

impl<H: Hub> HubRoute<H> {
    /// A hub whose values `construct` makes, one for each call. What outlives a call is captured by the closure.
    pub fn new(construct: impl Fn(Context<H>) -> H + Send + Sync + 'static) -> Self {
        Self {
            dispatcher: Dispatcher::new(construct),
            options: HubOptions::default(),
            path: "".into(),
            identify: Identify::new(async |_| Ok(Identity::anonymous())),
            origins: Origins::default(),
            hosts: AllowedHosts::default(),
            token_key: None,
            name: None,
            backplane: None,
        }
    }

    /// Sets the path of the hub, such as `/chat`: the router that comes of it is merged. By default there is none, and the
    /// router is nested. A path may have parameters, and must begin with a slash, as those of [`axum::Router::route`].
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = path.trim_end_matches('/').into();
        self
    }

    /// Sets the hub's name, which is that of its type otherwise. On one backplane, routes of the same name serve the
    /// same hub: their clients are reached together.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Connects the hub with other nodes that serve it: with the same name, on the same backplane. All targets reach
    /// the clients of all of them then, and what is sent to everyone, groups and users has one order for all
    /// ([`SendOrder`](crate::SendOrder)).
    ///
    /// ```
    /// use hub_core::Untyped;
    /// use hub_core::backplane::InProcess;
    /// use hub_server::{Context, Hub, HubRoute, hub};
    ///
    /// struct News { cx: Context<News> }
    ///
    /// impl Hub for News { type Client = Untyped; }
    ///
    /// #[hub]
    /// impl News {
    ///     #[method]
    ///     async fn follow(&self, topic: &str) -> hub_core::Result<()> { self.cx.join(topic).await }
    /// }
    ///
    /// let backplane = InProcess::new();
    /// let (public, _) = HubRoute::new(|cx| News { cx }).backplane(backplane.clone()).build::<()>();
    /// let (staff, news) = HubRoute::new(|cx| News { cx }).backplane(backplane).build::<()>();
    /// // `news.group("rust")` reaches followers of either route.
    /// ```
    #[must_use]
    pub fn backplane(mut self, backplane: impl Backplane + 'static) -> Self {
        self.backplane = Some(Arc::new(backplane));
        self
    }

    /// Sets limits and intervals.
    ///
    /// # Errors
    /// When an option is outside of its range: its name, its value and the range.
    pub fn options(mut self, options: HubOptions) -> Result<Self, InvalidOption> {
        options.validate()?;
        self.options = options;
        Ok(self)
    }

    /// Sets how it is found out who a request comes from. By default all callers are anonymous.
    ///
    /// It is asked for each negotiation and again for each transport (P-AUTH-01), and gets the head of the request. If it
    /// panics, that is logged, and the answer is 500.
    #[must_use]
    pub fn identify<F, A>(mut self, identify: F) -> Self
    where
        F: Fn(Parts) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        self.identify = Identify::new(identify);
        self
    }

    /// Sets which web pages may use the hub. By default those of its own host.
    #[must_use]
    pub fn allowed_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Sets which hosts the hub answers for: the names under which clients reach it, and the one that a proxy writes into
    /// `Host`, if it does. `example.org` is that host with any port, `example.org:8080` with this one only,
    /// `*.example.org` any host below it. Names are in ASCII, as browsers send them. By default it answers for any.
    ///
    /// A request that names another one, in `Host` or as the first in `X-Forwarded-Host` or `Forwarded`, is answered 400.
    /// That keeps out pages of strangers who made a name of theirs point to this server (DNS rebinding): for the browser
    /// they are of the same host, so [`Origins`] lets them in. Set it wherever a caller is trusted for where the
    /// request comes from: on a developer's machine, in a private network, behind a VPN.
    ///
    /// # Errors
    /// When one is not a host: which, and what is allowed.
    ///
    /// ```
    /// # use hub_core::Untyped;
    /// # use hub_server::{Hub, HubRoute, hub};
    /// # struct Chat;
    /// # impl Hub for Chat { type Client = Untyped; }
    /// # #[hub] impl Chat {}
    /// let chat = HubRoute::new(|_| Chat).allowed_hosts(["localhost", "127.0.0.1", "[::1]"])?;
    /// # Ok::<(), hub_server::InvalidOption>(())
    /// ```
    pub fn allowed_hosts<N: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = N>) -> Result<Self, InvalidOption> {
        self.hosts = AllowedHosts::list(hosts)?;
        Ok(self)
    }

    /// Sets the key that connection tokens are signed with. Nodes that share it accept each other's, so that a
    /// connection may be negotiated with one and opened with another: no sticky sessions. By default it is random, and
    /// nodes with a backplane agree on one through it.
    #[must_use]
    pub fn token_key(mut self, key: [u8; 32]) -> Self {
        self.token_key = Some(key);
        self
    }

    /// The router that serves the hub, to be merged if it was told where it is ([`at`](Self::at)) and nested otherwise,
    /// and the handle to reach its clients from elsewhere.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> (Router<S>, HubHandle<H>) {
        let name = self.name.unwrap_or_else(|| hub_core::short_type_name::<H>().into());
        events::options_checked(&name, &self.options);
        let hub = HubState::new(name, self.options, self.token_key, self.backplane.as_deref());
        if let Some(nodes) = &hub.nodes {
            nodes.begin(hub.tokens.own_key());
        }
        let cors = self.origins.cors();
        let endpoint = Endpoint {
            hub: Arc::clone(&hub),
            service: Arc::new(self.dispatcher),
            admission: Admission::new(self.hosts, self.origins, self.identify),
        };
        let path = &*self.path;
        let mut router = Router::new().route(&format!("{path}/"), any(on_connect));
        if !path.is_empty() {
            router = router.route(path, any(on_connect));
        }
        let panicking = Arc::clone(&hub);
        let router = router
            .route(&format!("{path}/negotiate"), any(on_negotiate))
            .route(&format!("{path}/negotiate/"), any(on_negotiate))
            // Not `layer`, which would change what the application answers to paths that nobody serves.
            .route_layer(cors)
            .route_layer(from_fn(only_preflights))
            .route_layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| {
                events::request_panicked(panicking.name(), &panic_message(&*panic));
                Answer(StatusCode::INTERNAL_SERVER_ERROR, "").into_response()
            }))
            .with_state(Arc::new(endpoint));
        (router, HubHandle::new(hub))
    }

    /// The router that serves the hub, to be merged if it was told where it is ([`at`](Self::at)) and nested otherwise.
    pub fn into_router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        self.build().0
    }
}

impl<H: Hub, S: Clone + Send + Sync + 'static> From<HubRoute<H>> for Router<S> {
    fn from(route: HubRoute<H>) -> Self {
        route.into_router()
    }
}

impl<H: Hub> fmt::Debug for HubRoute<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubRoute")
            .field("path", &self.path)
            .field("options", &self.options)
            .field("origins", &self.origins)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// P-AUTH-11
const OTHER_USER: &str = "The user associated with this connection changed.";

struct Endpoint {
    hub: Arc<HubState>,
    service: Arc<dyn Service>,
    admission: Admission,
}

/// `OPTIONS` is a method like others (P-HTTP-01) where no page asks whether it may call: the CORS layer answers it anyway.
async fn only_preflights(request: HttpRequest<Body>, next: Next) -> Response {
    let asks = [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD];
    if request.method() == Method::OPTIONS && !asks.iter().all(|name| request.headers().contains_key(name)) {
        return Answer(StatusCode::METHOD_NOT_ALLOWED, "").into_response();
    }
    next.run(request).await
}

async fn on_negotiate(State(endpoint): State<Arc<Endpoint>>, request: HttpRequest<Body>) -> Response {
    let parts = request.into_parts().0;
    if parts.method != Method::POST {
        return Answer(StatusCode::METHOD_NOT_ALLOWED, "").into_response();
    }
    match endpoint.admission.admit(&endpoint.hub, &parts).await {
        Ok(identity) => {
            let query = parts.uri.query().unwrap_or("");
            let answer = negotiate(&endpoint.hub, query, identity.user_id());
            // Plain members: they can be written.
            let answer = serde_json::to_vec(&answer).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Err(answer) => answer.into_response(),
    }
}

async fn on_connect(State(endpoint): State<Arc<Endpoint>>, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let identity = match endpoint.admission.admit(&endpoint.hub, &parts).await {
        Ok(identity) => identity,
        Err(answer) => return answer.into_response(),
    };
    let token = joined_query_parameters(parts.uri.query().unwrap_or(""), "id");
    if upgrade::is_upgrade(&parts) {
        let request = HttpRequest::from_parts(parts, body);
        return connect(&endpoint, request, identity, token.as_deref()).unwrap_or_else(Answer::into_response);
    }
    without_web_socket(&endpoint, &parts, &identity, token.as_deref()).into_response()
}

/// Opens a WebSocket (P-WS-01).
fn connect(
    endpoint: &Endpoint,
    mut request: HttpRequest<Body>,
    identity: Identity,
    token: Option<&str>,
) -> Result<Response, Answer> {
    let hub = &endpoint.hub;
    let response =
        upgrade::accept(request.headers()).map_err(|reason| refuse(&endpoint.hub, StatusCode::BAD_REQUEST, reason))?;
    let attached = match token.filter(|token| !token.is_empty()) {
        None => hub.tokens.without_token(),
        Some(token) => hub.tokens.attach(token, identity.user_id()).map_err(|refused| match refused {
            Refused::Unknown => refuse(&endpoint.hub, StatusCode::NOT_FOUND, "No Connection with that ID"),
            Refused::InUse => Answer(StatusCode::CONFLICT, ""),
            Refused::OtherUser => refuse(&endpoint.hub, StatusCode::FORBIDDEN, OTHER_USER),
        })?,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let opening = Opening { attached, identity, request: Request::new(&request.into_parts().0) };
    let (hub, service) = (Arc::clone(hub), Arc::clone(&endpoint.service));
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                serve(WebSocket::new(Socket::from(upgraded)), hub, service, opening).await;
            }
            Err(error) => {
                events::upgrade_failed(hub.name(), &error);
                hub.tokens.release(opening.attached);
            }
        }
    });
    Ok(response)
}

/// What is answered to requests of transports that are not offered (sections 16 to 19).
fn without_web_socket(endpoint: &Endpoint, parts: &Parts, identity: &Identity, token: Option<&str>) -> Answer {
    if ![Method::GET, Method::POST, Method::DELETE].contains(&parts.method) {
        return Answer(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Answer(StatusCode::BAD_REQUEST, "Connection ID required");
    };
    let found = endpoint.hub.tokens.look_up(token, identity.user_id());
    let events_wanted = parts
        .headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream")));
    match (&parts.method, found) {
        (_, Err(Refused::Unknown)) => Answer(StatusCode::NOT_FOUND, "No Connection with that ID"),
        (_, Err(Refused::OtherUser)) => refuse(&endpoint.hub, StatusCode::FORBIDDEN, OTHER_USER),
        (&Method::DELETE, _) => {
            Answer(StatusCode::BAD_REQUEST, "Cannot terminate this connection using the DELETE endpoint.")
        }
        (&Method::POST, Err(Refused::InUse)) => {
            Answer(StatusCode::METHOD_NOT_ALLOWED, "POST requests are not allowed for WebSocket connections.")
        }
        (&Method::GET, _) if events_wanted => {
            Answer(StatusCode::NOT_FOUND, "ServerSentEvents transport not supported by this end point type")
        }
        _ => Answer(StatusCode::NOT_FOUND, "LongPolling transport not supported by this end point type"),
    }
}
