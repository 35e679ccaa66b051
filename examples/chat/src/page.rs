//! The page: a few files that are part of the program.

use axum::Router;
use axum::http::header;
use axum::routing::get;

/// Path, content type, content.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("../web/index.html")),
    ("/chat.css", "text/css; charset=utf-8", include_str!("../web/chat.css")),
    ("/chat.js", JAVASCRIPT, include_str!("../web/chat.js")),
    ("/server.js", JAVASCRIPT, include_str!("../web/server.js")),
    ("/view.js", JAVASCRIPT, include_str!("../web/view.js")),
    ("/elements.js", JAVASCRIPT, include_str!("../web/elements.js")),
    ("/icon.svg", "image/svg+xml", include_str!("../web/icon.svg")),
    ("/vendor/signalr.min.js", JAVASCRIPT, include_str!("../web/vendor/signalr.min.js")),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing from elsewhere, nothing inline. The WebSocket schemes are for browsers to which `'self'` means only HTTP.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, content_type, content)| {
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            // The next version of the program is seen at once.
            (header::CACHE_CONTROL, "no-cache"),
        ];
        router.route(path, get(async move || (headers, content)))
    })
}
