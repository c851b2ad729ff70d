#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/push_session.hpp>

#include <boost/asio/post.hpp>

#include <exception>
#include <utility>

namespace pgtally::server {

// A defect ends this connection, and no other.
template <class Step>
void push_session::guarded(Step step) noexcept
{
    auto const alive = self_;
    try {
        step();
    } catch (...) {
        log_defect("a connection", std::current_exception());
        end();
    }
}

void push_session::start(client_stream stream, ip_address who, place_held place, std::string received)
{
    self_ = shared_from_this();
    stream_.emplace(std::move(stream));
    // From now on `liveness` bounds a client that takes nothing.
    stream_->expires_never();
    who_ = who;
    place_ = std::move(place);
    started_at_ = clock::now();
    with_.connected.add(*this);
    if (with_.closing) drain();
    ready();
    guarded([&] {
        if (!received.empty()) take(received);
        wait_to_read();
    });
}

void push_session::cut() noexcept
{
    if (!self_) return;
    stream_->close();
    // The session ends in a call of its own, for this one may come from anywhere.
    asio::post(stream_->get_executor(), [one = self_] { one->end(); });
}

void push_session::end()
{
    auto const last = std::exchange(self_, nullptr);
    if (!last) return;
    stream_->close();
    with_.connected.remove(*this);
    with_.ready.remove(*this);
    on_end();
    place_ = place_held{};
}

// Reading
// ---------------------------------------------------------------------------------------------------------------

void push_session::wait_to_read()
{
    if (!self_) return;
    if (!takes_more()) {
        paused_ = true;
        return;
    }
    stream_->when_readable([one = self_](bool open) { one->guarded([&] { open ? one->read() : one->read_ended(); }); });
}

void push_session::read_on()
{
    if (std::exchange(paused_, false)) wait_to_read();
}

void push_session::read()
{
    auto const got = stream_->read(with_.scratch.received);
    if (got.need == io_need::never) return read_ended();
    if (got.size > 0) take(std::span{with_.scratch.received}.first(got.size));
    wait_to_read();
}

void push_session::read_ended()
{
    if (!stream_->is_open() || !goes_on_writing()) end();
}

// Writing
// ---------------------------------------------------------------------------------------------------------------

void push_session::on_ready()
{
    if (self_ && !blocked_)
        guarded([this] {
            if (advance()) with_.ready.wake_at(*this, due());
            else wait_to_write();
        });
}

void push_session::wait_to_write()
{
    blocked_ = true;
    stream_->socket().async_wait(stream_socket::wait_write, [one = self_](boost::system::error_code failure) {
        one->blocked_ = false;
        if (failure) one->end();
        else one->on_ready();
    });
}

// Writes what there is. Returns false if the socket takes no more for now.
bool push_session::advance()
{
    auto const now = clock::now();
    auto put = unsent_.go_on(*stream_);
    for (;;) {
        with_.counted.bytes_sent += put.size;
        bytes_ += put.size;
        if (put.need == io_need::never) {
            end();
            return true;
        }
        if (put.need != io_need::nothing) return false;
        on_sent();
        with_.scratch.head.clear();
        with_.scratch.tail.reset();
        if (!compose(now)) return true;
        put = unsent_.write(*stream_, with_.scratch.head, with_.scratch.tail);
    }
}

void push_session::count(std::uint64_t values, std::uint64_t conflated) noexcept
{
    values_ += values;
    with_.counted.changes_pushed += values;
    with_.counted.changes_conflated += conflated;
}

void push_session::note_access(served_request what) const
{
    what.client = who_;
    what.method = "GET";
    what.bytes = bytes_;
    what.seconds = seconds();
    with_.accesses.add(what);
}

// Liveness
// ---------------------------------------------------------------------------------------------------------------

void push_session::check_liveness(clock::time_point now)
{
    if (!stream_ || !stream_->is_open()) return;
    auto progress = stream_->progress(now);
    if (!answers_pings()) progress.silent = {};
    did(liveness_.check(now, progress, !unsent_.empty()));
}

void push_session::did(liveness::action what)
{
    using action = liveness::action;
    auto const stalled_s = with_.bounds.stall_timeout.count();
    switch (what) {
        case action::none: break;
        case action::ping: ping(); break;
        case action::close:
            if (close_stalled()) break;
            [[fallthrough]];
        case action::cut_stalled:
            log(log_level::info, "client {} took no byte for {} s: cut", to_string(who_), stalled_s);
            ++with_.counted.cut_stalled;
            cut();
            break;
        case action::cut_silent:
            log(log_level::info, "client {} did not answer a ping: cut", to_string(who_));
            ++with_.counted.cut_silent;
            cut();
            break;
        case action::cut_unclosed:
            ++with_.counted.cut_unclosed;
            cut();
            break;
    }
}

}  // namespace pgtally::server
