#pragma once

// Reads the frames of a WebSocket's client.
//
// Model: bytes go in as they arrive, and whole texts, pings and closes come out. A frame that arrives whole is unmasked in
// place; only what is incomplete is copied, so that an idle connection needs no buffer.
//
// Guarantees: whatever breaks RFC 6455 is found as soon as the bytes show it, with the code of the close that it demands.
//
// No socket, no clock: pure, and fuzzed.
//
// Source: RFC 6455, 5 (frames), 7.4 (codes), 8.1 (UTF-8).

#include <pgtally/server/ws/utf8_check.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pgtally::server {

class frame_reader {
public:
    struct item {
        enum class kind {
            none,    // more bytes are needed
            text,    // a message: `payload`
            ping,    // to be answered by a pong with the same `payload`
            close,   // `code`; 0: the close has none
            broken,  // the connection must be closed with `code`, because of `payload`
        };
        kind what = kind::none;
        std::string_view payload{};
        std::uint16_t code = 0;
    };

    // `most`: the bytes that a message may have.
    explicit frame_reader(std::size_t most) noexcept : most_{most} {}

    // The next item in `bytes`, from which it removes what it has read. After `none`, `bytes` is empty. Nothing may follow
    // `close` and `broken`.
    //
    // Lifetime: the payload is valid until the next call, and as long as `bytes`.
    item next(std::span<char>& bytes);

private:
    using kind = item::kind;

    bool read_head(std::span<char>& bytes);
    item begin_frame();
    item read_payload(std::span<char>& bytes);
    item end_fragment(std::string_view message);
    item end_control(std::string_view payload);
    void forget() noexcept;
    static item broken(std::uint16_t code, std::string_view why) { return {kind::broken, why, code}; }
    std::size_t head_bytes() const noexcept;

    std::size_t most_;
    std::array<std::uint8_t, 14> head_{};  // of the current frame
    std::uint8_t head_size_ = 0;
    bool in_payload_ = false;
    bool in_message_ = false;  // a text whose last fragment has not come
    std::uint8_t opcode_ = 0;
    bool final_ = false;
    std::uint64_t left_ = 0;  // bytes of the payload that have not come
    std::size_t mask_at_ = 0;
    utf8_check utf8_;
    std::string message_;                               // the fragments before the current one, and what came of that
    std::string control_;                               // what came of a control frame's payload
    bool message_read_ = false, control_read_ = false;  // the last item referred to them
};

}  // namespace pgtally::server
