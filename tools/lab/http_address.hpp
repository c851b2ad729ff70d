#pragma once

#include <optional>
#include <string>

namespace pgtally::lab {

/// Where a server answers: "http://127.0.0.1:8080".
struct http_address {
    std::string host{};
    std::string port{};
};

/// None if it is anything but http://HOST[:PORT], with a slash or without.
[[nodiscard]] std::optional<http_address> read_http_address(std::string const& url);

}  // namespace pgtally::lab
