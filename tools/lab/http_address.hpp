#pragma once

#include <optional>
#include <string>

namespace pgtally::lab {

/// The address of a server: "http://127.0.0.1:8080".
struct http_address {
    std::string host{};
    std::string port{};
};

/// Returns nothing unless the text is http://HOST[:PORT], with or without a slash.
[[nodiscard]] std::optional<http_address> read_http_address(std::string const& url);

}  // namespace pgtally::lab
