# pgtally behind Varnish, a cache as CDNs have them. test/service/test_proxies.py runs Varnish with it.
# The server is started with --allow-host counters.example.org; see proxies.md.

vcl 4.1;

backend pgtally {
    .host = "127.0.0.1";
    .port = "8080";
    .host_header = "counters.example.org";
    .first_byte_timeout = 75s;      # more than the longest wait of a long poll, 60 s
    .between_bytes_timeout = 75s;   # more than the 15 s between two comments of a stream
}

sub vcl_recv {
    # WebSockets are connections of their own.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # The answers to long polls are for all who wait for the same: one request goes to the server. Nobody may keep others, so
    # they must not wait for each other.
    if (req.method != "GET" || req.url !~ "[?&]since=" || req.url ~ "/events") {
        return (pass);
    }
}

sub vcl_pipe {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
}
