#include <pgtally/test/support/step_proxy.hpp>

#include <pgtally/test/support/cluster.hpp>
#include <pgtally/test/support/frames.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace pgtally::test {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

// The duration of a stall_then_pass that nothing ends earlier.
constexpr std::chrono::milliseconds moment{20};

// A message is cut into at most this many segments.
constexpr std::size_t max_segments = 512;

// The state that the connections of a proxy share.
struct shared_plan {
    fault_plan plan{};
    bool struck = false;
};

// A client's connection, and the connection to the server.
class link : public std::enable_shared_from_this<link> {
public:
    link(tcp::socket from, asio::io_context& context, std::size_t number, std::shared_ptr<shared_plan> shared)
        : upward_{'C', frame_splitter(frame_splitter::sender::client), std::move(from)}
        , downward_{'S', frame_splitter(frame_splitter::sender::server), tcp::socket(context)}
        , number_(number)
        , shared_(std::move(shared))
        , resumed_(context)
    {
    }

    void start(int port)
    {
        auto const to = tcp::endpoint(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
        downward_.from.async_connect(to, [self = shared_from_this()](error_code ec) {
            if (ec) return self->reset();
            for (auto* const each : {&self->upward_, &self->downward_}) {
                each->from.set_option(tcp::no_delay(true), ec);
                auto on_end = [self](std::exception_ptr thrown) {
                    if (thrown) self->reset();  // the bytes are not a message: fail in the most visible way
                };
                asio::co_spawn(each->from.get_executor(), carry(self, *each), std::move(on_end));
            }
        });
    }

    void resume()
    {
        stalled_ = false;
        resumed_.cancel();
    }

    void reset()
    {
        ended_ = true;
        error_code ignored;
        for (auto* const each : {&upward_, &downward_}) {
            each->from.set_option(asio::socket_base::linger(true, 0), ignored);  // RST instead of FIN
            each->from.close(ignored);
        }
        resume();
    }

    [[nodiscard]] std::vector<std::string> const& steps() const { return steps_; }

private:
    // One direction of a link.
    struct way {
        char mark;
        frame_splitter splitter;
        tcp::socket from;
        bool closed = false;  // no more data will be sent to `to`
    };

    [[nodiscard]] way& opposite(way const& of) { return &of == &upward_ ? downward_ : upward_; }

    static asio::awaitable<void> carry(std::shared_ptr<link> self, way& which)
    {
        std::array<char, 16384> bytes;
        error_code ec;
        for (;;) {
            auto const count =
                co_await which.from.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, ec));
            if (ec) break;
            which.splitter.add({bytes.data(), count});
            while (auto message = which.splitter.next()) co_await pass(self, which, std::move(*message));
        }
        co_await self->until_resumed();
        if (ec == asio::error::eof) self->close(which);
        else self->reset();
    }

    static asio::awaitable<void> pass(std::shared_ptr<link> self, way& which, frame message)
    {
        co_await self->until_resumed();
        if (self->ended_) co_return;
        self->note(which, message);
        auto const what = self->happens();
        auto bytes = std::string_view(message.bytes);
        switch (what) {
            case fault::none: break;
            case fault::trickle: self->trickles_ = true; break;
            case fault::cut: self->reset(); break;
            case fault::cut_in_the_middle: bytes = bytes.substr(0, bytes.size() / 2); break;
            case fault::half_close_client: self->close(self->downward_); break;
            case fault::half_close_server: self->close(self->upward_); break;
            case fault::stall: self->stall(asio::steady_timer::time_point::max()); break;
            case fault::stall_then_pass: self->stall(asio::steady_timer::clock_type::now() + moment); break;
        }
        co_await self->until_resumed();
        if (!which.closed) co_await self->write(self->opposite(which).from, bytes);
        if (what == fault::cut_in_the_middle) self->reset();
    }

    asio::awaitable<void> write(tcp::socket& to, std::string_view bytes)
    {
        auto const size = trickles_ ? bytes.size() / max_segments + 1 : bytes.size();
        error_code ec;
        for (std::size_t at = 0; at < bytes.size() && !ec; at += size) {
            auto const part = bytes.substr(at, size);
            co_await asio::async_write(to, asio::buffer(part), asio::redirect_error(asio::use_awaitable, ec));
            if (trickles_) co_await asio::post(to.get_executor(), asio::use_awaitable);
        }
        if (ec) reset();
    }

    asio::awaitable<void> until_resumed()
    {
        error_code ignored;
        while (stalled_) {
            co_await resumed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            if (resumed_.expiry() <= asio::steady_timer::clock_type::now()) stalled_ = false;
        }
    }

    void note(way const& which, frame const& message)
    {
        steps_.push_back(which.mark + (":" + message.name));
        if (which.mark == 'C' && (message.name == "SSLRequest" || message.name == "GSSENCRequest"))
            downward_.splitter.expect_one_byte();
        auto const answers = which.mark == 'S' && steps_.size() > 1 && steps_[steps_.size() - 2] == "C:SSLRequest";
        if (!answers) return;
        if (message.bytes != "S") return;
        upward_.splitter.expect_tls();
        downward_.splitter.expect_tls();
    }

    // The fault at the step that was just counted.
    fault happens()
    {
        auto const& plan = shared_->plan;
        if (plan.what == fault::none || plan.connection != number_ || plan.step != steps_.size()) return fault::none;
        shared_->struck = true;
        return plan.what;
    }

    void stall(asio::steady_timer::time_point until)
    {
        stalled_ = true;
        resumed_.expires_at(until);
    }

    // Ends this direction.
    void close(way& which)
    {
        which.closed = true;
        error_code ignored;
        opposite(which).from.shutdown(tcp::socket::shutdown_send, ignored);
        if (!opposite(which).closed) return;
        upward_.from.close(ignored);
        downward_.from.close(ignored);
    }

    way upward_;
    way downward_;
    std::size_t number_;
    std::shared_ptr<shared_plan> shared_;
    asio::steady_timer resumed_;
    std::vector<std::string> steps_{};
    bool stalled_ = false;
    bool ended_ = false;
    bool trickles_ = false;
};

}  // namespace

std::string_view name_of(fault what) noexcept
{
    switch (what) {
        case fault::none: return "no fault";
        case fault::cut: return "cut";
        case fault::cut_in_the_middle: return "cut in the middle";
        case fault::half_close_client: return "half-close towards the client";
        case fault::half_close_server: return "half-close towards the server";
        case fault::stall: return "stall";
        case fault::stall_then_pass: return "stall for a moment";
        case fault::trickle: return "trickle";
    }
    return "?";
}

class step_proxy::state {
public:
    state(asio::io_context& context, int to, fault_plan plan)
        : context_(context), acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), to_(to)
    {
        shared->plan = plan;
        accept();
    }

    [[nodiscard]] int port() const { return acceptor_.local_endpoint().port(); }

    void accept()
    {
        acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
            if (ec) return;
            links.push_back(std::make_shared<link>(std::move(socket), context_, links.size() + 1, shared));
            links.back()->start(to_);
            accept();
        });
    }

    void end()
    {
        acceptor_.close();
        for (auto const& each : links) each->reset();
    }

    std::shared_ptr<shared_plan> shared = std::make_shared<shared_plan>();
    std::vector<std::shared_ptr<link>> links{};  // kept for their steps, also after their end

private:
    asio::io_context& context_;
    tcp::acceptor acceptor_;
    int to_;
};

step_proxy::step_proxy(int port, fault_plan plan)
    : state_(std::make_shared<state>(thread_.context(), port, plan)), port_(state_->port())
{
    thread_.start();
}

step_proxy::~step_proxy()
{
    thread_.call([&s = *state_] { s.end(); });
    thread_.join();
}

std::string step_proxy::dsn() const
{
    return cluster::dsn_at(port_);
}

void step_proxy::arm(fault_plan plan)
{
    thread_.call([&, &s = *state_] {
        s.shared->plan = plan;
        s.shared->struck = false;
    });
}

void step_proxy::pass()
{
    thread_.call([&s = *state_] {
        for (auto const& each : s.links) each->resume();
    });
}

std::vector<std::string> step_proxy::steps(std::size_t connection)
{
    std::vector<std::string> result;
    thread_.call([&, &s = *state_] {
        if (connection >= 1 && connection <= s.links.size()) result = s.links[connection - 1]->steps();
    });
    return result;
}

bool step_proxy::struck()
{
    bool result = false;
    thread_.call([&, &s = *state_] { result = s.shared->struck; });
    return result;
}

std::size_t step_proxy::accepted()
{
    std::size_t result = 0;
    thread_.call([&, &s = *state_] { result = s.links.size(); });
    return result;
}

}  // namespace pgtally::test
