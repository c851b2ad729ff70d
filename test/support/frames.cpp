#include <pgtally/test/support/frames.hpp>

#include <stdexcept>

namespace pgtally::test {
namespace {

constexpr std::size_t max_frame_bytes = std::size_t{64} * 1024 * 1024;

}  // namespace

frame_splitter::frame_splitter(sender from) noexcept : shape_(from == sender::client ? shape::untyped : shape::typed) {}

std::optional<frame> frame_splitter::next()
{
    auto const size = size_of_next();
    if (size == 0 || held_.size() < size) return std::nullopt;
    frame result{name_of_next(), held_.substr(0, size)};
    held_.erase(0, size);
    if (shape_ == shape::one_byte || result.name == "startup") shape_ = shape::typed;
    return result;
}

std::size_t frame_splitter::number_at(std::size_t position, std::size_t bytes) const noexcept
{
    std::size_t result = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        result = result << 8 | static_cast<std::size_t>(static_cast<unsigned char>(held_[position + i]));
    return result;
}

// 0: not known yet.
std::size_t frame_splitter::size_of_next() const
{
    if (shape_ == shape::one_byte) return 1;
    auto const header = shape_ == shape::untyped ? std::size_t{8} : std::size_t{5};
    if (held_.size() < header) return 0;
    std::size_t size = 0;
    if (shape_ == shape::untyped) size = number_at(0, 4);
    if (shape_ == shape::typed) size = number_at(1, 4) + 1;  // the length includes itself, but not the type byte
    if (shape_ == shape::tls) size = number_at(3, 2) + header;
    if (size < header || size > max_frame_bytes) throw std::runtime_error("this is no message of PostgreSQL's");
    return size;
}

std::string frame_splitter::name_of_next() const
{
    if (shape_ == shape::tls) return "tls";
    if (shape_ != shape::untyped) return held_.substr(0, 1);
    switch (number_at(4, 4)) {
        case 80'877'102: return "CancelRequest";
        case 80'877'103: return "SSLRequest";
        case 80'877'104: return "GSSENCRequest";
        default: return "startup";
    }
}

}  // namespace pgtally::test
