#pragma once

// The frames that a server writes: whole messages, not masked (RFC 6455, 5.1 and 5.2). Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// Appends the head of a text of so many bytes, which must follow it.
void append_text_head(std::string& to, std::size_t size);

// Appends a whole frame. `payload` has at most 125 bytes.
void append_ping(std::string& to);
void append_pong(std::string& to, std::string_view payload);

// Code 0: a close without a code and reason. A longer reason than 123 bytes is cut between characters.
void append_close(std::string& to, std::uint16_t code, std::string_view reason);

}  // namespace pgtally::server
