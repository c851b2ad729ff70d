#include <pgtally/server/http/unsent.hpp>

#include <algorithm>
#include <array>

namespace pgtally::server {

// Returns the bytes that the socket took; `need` is `nothing` if it took all.
io_outcome unsent::write(client_stream& to, std::string_view head, std::shared_ptr<std::string const> const& tail)
{
    std::array<asio::const_buffer, 2> rest{asio::buffer(head.data(), head.size()),
                                           tail ? asio::buffer(*tail) : asio::const_buffer{}};
    io_outcome out;
    auto const whole = head.size() + (tail ? tail->size() : 0);
    while (out.size < whole) {
        auto const put = to.write(rest);
        out.size += put.size;
        out.need = put.need;
        if (put.size == 0) break;
        consume(rest, put.size);
    }
    if (out.size == whole || out.need == io_need::never) return out;
    head_.assign(static_cast<char const*>(rest[0].data()), rest[0].size());
    if (rest[1].size() > 0) {
        tail_ = tail;
        tail_at_ = tail->size() - rest[1].size();
    }
    return out;
}

io_outcome unsent::go_on(client_stream& to)
{
    io_outcome out;
    while (!empty()) {
        std::array<asio::const_buffer, 2> rest{asio::buffer(head_) + head_at_,
                                               tail_ ? asio::buffer(*tail_) + tail_at_ : asio::const_buffer{}};
        auto const left = asio::buffer_size(rest);
        auto const put = to.write(rest);
        out.size += put.size;
        out.need = put.need;
        if (put.size == 0) return out;
        auto const of_head = std::min(put.size, rest[0].size());
        head_at_ += of_head;
        tail_at_ += put.size - of_head;
        if (put.size == left) *this = unsent{};
    }
    return out;
}

}  // namespace pgtally::server
