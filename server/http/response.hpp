#pragma once

#include <pgtally/server/http/body_source.hpp>
#include <pgtally/server/http/lasting_answer.hpp>

#include <chrono>
#include <memory>
#include <optional>
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
    std::unique_ptr<body_source> streamed{};  // if set, the body is what it produces, and `body` is empty
    std::shared_ptr<lasting_answer> lasts{};  // if set, it writes the answer itself, and HEAD gets the head alone
    bool by_token = false;                    // another client, with another token or none, may get another answer
    std::string_view route = "none";          // the pattern of its route, for the metrics
    bool waited = false;                      // for a change, as the client wished: its time says nothing of the server
};

// The phrase of a status, such as "Not Found" for 404.
std::string_view reason_phrase(unsigned status) noexcept;

// An answer in the format of RFC 9457. `code` is for programs, `detail` for people; `type` is about:blank, so `title`
// is the status's own phrase. `key`, with the code bad_key, says which; it is valid UTF-8.
response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::optional<std::string_view> key = std::nullopt);

// What the head of an answer contains beside the answer's own fields.
struct head_options {
    unsigned version = 11;  // 10: HTTP/1.0
    bool keep_alive = true;
    std::chrono::seconds retry_after{1};  // of 503 and 429
    std::string_view date{};              // see date.hpp; empty: no field
};

// How the client finds the end of a body.
enum class framing {
    length,   // by Content-Length
    chunked,  // by chunks
    close,    // by the end of the connection: HTTP/1.0 has no chunks
};

framing framing_of(response const& answer, unsigned version) noexcept;

// The status line, all fields (including Connection and those of the framing), and the empty line after them.
std::string encode_head(response const& answer, head_options chosen);

}  // namespace pgtally::server
