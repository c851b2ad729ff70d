#pragma once

#include <pgtally/server/base/endpoint.hpp>
#include <pgtally/server/base/handed_over.hpp>
#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/log.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// Who may: the options about tokens.
struct auth_options {
    std::vector<std::string> key_files{};       // empty: there are no tokens, and everybody may everything
    std::string cookie{};                       // its name; empty: none carries a token
    std::string audience{}, issuer{};           // `aud` and `iss`; empty: no such option
    std::vector<std::string> public_tallies{};  // that everybody reads; `*`: all
};

// The files of TLS for the public addresses; empty: they do not encrypt.
struct tls_options {
    std::string certificate{}, key{};
    bool wanted() const noexcept { return !certificate.empty(); }
};

// The settings of `pgtally serve`. The command line fills them; the service reads them.
struct serve_options {
    std::string dsn;
    std::vector<endpoint> listen;
    std::optional<endpoint> admin_listen;
    std::vector<handed_over> sockets;  // those called `admin` serve operators
    bool reuse_port = false;
    tls_options tls;
    std::vector<std::string> tallies;  // empty: all
    std::chrono::milliseconds heartbeat{};
    std::chrono::milliseconds materialize_every{};
    std::optional<std::chrono::milliseconds> audit_every;  // off if none
    bool writable = false;
    bool allow_bypass = false;
    std::vector<std::string> allow_origin;  // as origin.hpp lists them
    std::vector<std::string> allow_header;  // names of fields
    std::vector<std::string> allow_host;    // canonical
    std::vector<ip_network> trusted_proxies;
    auth_options auth;
    std::size_t max_keys = 0;
    std::uint64_t wal_lag_limit = 0;  // bytes; 0: none
    std::chrono::milliseconds drain_delay{};
    std::string web;         // a folder, or empty
    std::string access_log;  // a file, `-` for stdout, or empty
    log_level level = log_level::info;
    log_format format = log_format::text;
    limits bounds;
};

}  // namespace pgtally::server
