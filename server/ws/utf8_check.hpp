#pragma once

#include <cstdint>
#include <string_view>

namespace pgtally::server {

// Checks a text that arrives in pieces: UTF-8 as RFC 3629 defines it, without overlong forms and surrogates.
class utf8_check {
public:
    // Checks the next piece. Returns false if the text cannot be UTF-8, whatever follows.
    bool take(std::string_view piece) noexcept;

    // Whether the text ends after a whole character.
    bool complete() const noexcept { return missing_ == 0; }

private:
    bool begin(std::uint8_t byte) noexcept;

    std::uint8_t missing_ = 0;           // bytes of the character that has begun
    std::uint8_t least_ = 0, most_ = 0;  // of the next of them
};

}  // namespace pgtally::server
