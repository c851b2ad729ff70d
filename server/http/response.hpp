#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::server {

struct response {
    unsigned status = 200;
    std::string_view content_type = "application/json";
    std::vector<std::pair<std::string_view, std::string>> fields{};
    std::string body{};
    std::string_view route = "none";  // the pattern of its route, for the metrics
};

// "Not Found" of 404.
std::string_view reason_phrase(unsigned status) noexcept;

// How the head of an answer is to be.
struct head_options {
    unsigned version = 11;  // 10: HTTP/1.0
    bool keep_alive = true;
};

// The status line and the fields, Content-Length and Connection among them, up to and with the empty line.
std::string encode_head(response const& answer, head_options chosen);

}  // namespace pgtally::server
