#include <pgtally/server/ws/frame_reader.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::uint8_t continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10;

// RFC 6455, 7.4.
constexpr std::uint16_t protocol_error = 1002, unsupported = 1003, not_utf8 = 1007, too_big = 1009;

// A buffer larger than that is freed after its message.
constexpr std::size_t kept_bytes = 512;

bool is_control(std::uint8_t opcode) noexcept
{
    return (opcode & 8) != 0;
}

bool is_code(unsigned code) noexcept
{
    // 1004 to 1006 and 1015 must not be sent; 1016 to 2999 are not defined.
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void unmask(std::span<char> bytes, std::array<std::uint8_t, 4> mask, std::size_t at) noexcept
{
    std::rotate(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(at % 4), mask.end());
    std::array<std::uint8_t, 8> twice{};
    for (std::size_t i = 0; i < 8; ++i) twice[i] = mask[i % 4];
    std::uint64_t key = 0, word = 0;
    std::memcpy(&key, twice.data(), 8);
    auto* data = bytes.data();
    auto left = bytes.size();
    for (; left >= 8; data += 8, left -= 8) {
        std::memcpy(&word, data, 8);
        word ^= key;
        std::memcpy(data, &word, 8);
    }
    for (std::size_t i = 0; i < left; ++i)
        data[i] = static_cast<char>(static_cast<std::uint8_t>(data[i]) ^ mask[i % 4]);
}

}  // namespace

frame_reader::item frame_reader::next(std::span<char>& bytes)
{
    forget();
    for (;;) {
        if (!in_payload_) {
            if (!read_head(bytes)) return {};
            if (auto const wrong = begin_frame(); wrong.what != kind::none) return wrong;
        }
        auto const found = read_payload(bytes);
        if (found.what != kind::none || in_payload_) return found;
    }
}

// Frees what the last item referred to.
void frame_reader::forget() noexcept
{
    if (std::exchange(control_read_, false)) control_.clear();
    if (!std::exchange(message_read_, false)) return;
    if (message_.capacity() > kept_bytes) message_ = std::string{};
    else message_.clear();
}

// What the head has at least, by what is known of it.
std::size_t frame_reader::head_bytes() const noexcept
{
    if (head_size_ < 2) return 2;
    auto const length = head_[1] & 0x7f;
    return length == 126 ? 8 : length == 127 ? 14 : 6;
}

// False if the head is not complete.
bool frame_reader::read_head(std::span<char>& bytes)
{
    while (head_size_ < head_bytes()) {
        if (bytes.empty()) return false;
        head_[head_size_++] = static_cast<std::uint8_t>(bytes.front());
        bytes = bytes.subspan(1);
        // What is wrong with the first two bytes needs no further ones, and without a mask there may be none.
        if (head_size_ == 2 && (head_[1] & 0x80) == 0) return true;
    }
    return true;
}

// Judges the head.
frame_reader::item frame_reader::begin_frame()
{
    opcode_ = head_[0] & 0x0f;
    final_ = (head_[0] & 0x80) != 0;
    if ((head_[1] & 0x80) == 0) return broken(protocol_error, "a client masks its frames");
    if ((head_[0] & 0x70) != 0) return broken(protocol_error, "no extension is agreed on");
    auto const length = static_cast<std::uint8_t>(head_[1] & 0x7f);
    if (opcode_ > pong || (opcode_ > binary && opcode_ < close))
        return broken(protocol_error, "there is no such opcode");
    if (is_control(opcode_) && (!final_ || length > 125))
        return broken(protocol_error, "a control frame is whole, and has at most 125 bytes");
    left_ = length;
    if (length > 125) {
        left_ = 0;
        auto const bytes = length == 126 ? 2U : 8U;
        for (unsigned i = 0; i < bytes; ++i) left_ = left_ << 8 | head_[2 + i];
        if (left_ < (bytes == 2 ? 126U : 65'536U) || left_ >> 63 != 0)
            return broken(protocol_error, "a length is encoded in as few bytes as possible");
    }
    if (opcode_ == binary) return broken(unsupported, "messages are text");
    if (!is_control(opcode_)) {
        if (in_message_ != (opcode_ == continuation)) return broken(protocol_error, "fragments of two messages mix");
        if (left_ > most_ || message_.size() + left_ > most_) return broken(too_big, "the message is too long");
        in_message_ = true;
    }
    in_payload_ = true;
    mask_at_ = 0;
    return {};
}

frame_reader::item frame_reader::read_payload(std::span<char>& bytes)
{
    auto const piece = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
    bytes = bytes.subspan(piece.size());
    std::array<std::uint8_t, 4> mask{};
    std::memcpy(mask.data(), head_.data() + head_size_ - 4, 4);
    unmask(piece, mask, mask_at_);
    mask_at_ += piece.size();
    left_ -= piece.size();
    std::string_view const came{piece.data(), piece.size()};
    if (!is_control(opcode_) && !utf8_.take(came)) return broken(not_utf8, "a message is UTF-8");

    auto& before = is_control(opcode_) ? control_ : message_;
    if (left_ > 0) {
        before += came;
        return {};
    }
    in_payload_ = false;
    head_size_ = 0;
    // What came in one piece is not copied, unless it is a fragment of more.
    bool const whole = before.empty() && (is_control(opcode_) || final_);
    if (!whole) before += came;
    auto const payload = whole ? came : std::string_view{before};
    return is_control(opcode_) ? end_control(payload) : end_fragment(payload);
}

frame_reader::item frame_reader::end_fragment(std::string_view message)
{
    if (!final_) return {};
    in_message_ = false;
    message_read_ = true;
    bool const complete = utf8_.complete();
    utf8_ = {};
    return complete ? item{kind::text, message} : broken(not_utf8, "a message is UTF-8");
}

frame_reader::item frame_reader::end_control(std::string_view payload)
{
    if (opcode_ == pong) {
        control_.clear();
        return {};
    }
    control_read_ = true;
    if (opcode_ == ping) return {kind::ping, payload};
    if (payload.empty()) return {kind::close};
    if (payload.size() == 1) return broken(protocol_error, "a close has a code of two bytes");
    auto const code =
        static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 | static_cast<std::uint8_t>(payload[1]));
    if (!is_code(code)) return broken(protocol_error, "a close has a code that may be sent");
    utf8_check reason;
    if (!reason.take(payload.substr(2)) || !reason.complete())
        return broken(not_utf8, "the reason of a close is UTF-8");
    return {kind::close, payload.substr(2), code};
}

}  // namespace pgtally::server
