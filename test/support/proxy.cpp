#include <pgtally/test/support/proxy.hpp>

#include <pgtally/test/support/cluster.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <list>
#include <utility>

namespace pgtally::test {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

// A client's connection, and the connection to the server.
struct link : std::enable_shared_from_this<link> {
    link(tcp::socket from, asio::io_context& context, bool const& stalls)
        : client(std::move(from)), server(context), resumed(context), stalled(stalls)
    {
        resumed.expires_at(asio::steady_timer::time_point::max());
    }

    void start(int port)
    {
        auto const to = tcp::endpoint(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
        server.async_connect(to, [self = shared_from_this()](boost::system::error_code ec) {
            if (ec) return self->reset();
            self->pump(self->client, self->server, self->upward);
            self->pump(self->server, self->client, self->downward);
        });
    }

    using buffer = std::array<char, 16384>;

    void pump(tcp::socket& from, tcp::socket& to, buffer& bytes)
    {
        auto handler = [this, self = shared_from_this(), &from, &to, &bytes](boost::system::error_code ec,
                                                                             std::size_t count) {
            if (ec) return reset();
            pass_on(from, to, bytes, count);
        };
        from.async_read_some(asio::buffer(bytes), std::move(handler));
    }

    void pass_on(tcp::socket& from, tcp::socket& to, buffer& bytes, std::size_t count)
    {
        auto self = shared_from_this();
        if (stalled) {  // what was read is kept, and reading stops
            resumed.async_wait([this, self, &from, &to, &bytes, count](boost::system::error_code) {
                if (from.is_open()) pass_on(from, to, bytes, count);
            });
            return;
        }
        auto handler = [this, self, &from, &to, &bytes](boost::system::error_code ec, std::size_t) {
            if (silenced && &to == &client) ec.clear();
            if (ec) return reset();
            pump(from, to, bytes);
        };
        asio::async_write(to, asio::buffer(bytes, count), std::move(handler));
    }

    void reset()
    {
        boost::system::error_code ignored;
        for (auto* const socket : {&client, &server}) {
            socket->set_option(asio::socket_base::linger(true, 0), ignored);  // RST instead of FIN
            socket->close(ignored);
        }
        resumed.cancel();
    }

    tcp::socket client;
    tcp::socket server;
    asio::steady_timer resumed;
    bool const& stalled;
    bool silenced = false;
    buffer upward{};
    buffer downward{};
};

}  // namespace

class proxy::state {
public:
    state(asio::io_context& context, int to)
        : context_(context), acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), to_(to)
    {
        accept();
    }

    [[nodiscard]] int port() const { return acceptor_.local_endpoint().port(); }

    void accept()
    {
        acceptor_.async_accept([this](boost::system::error_code ec, tcp::socket socket) {
            if (ec) return;
            ++accepted;
            auto const made = std::make_shared<link>(std::move(socket), context_, stalled);
            links_.push_back(made);
            made->start(to_);
            accept();
        });
    }

    template <class F>
    void each(F f)
    {
        links_.remove_if([](auto const& weak) { return weak.expired(); });
        for (auto const& weak : links_)
            if (auto const alive = weak.lock()) f(*alive);
    }

    void resume()
    {
        stalled = false;
        each([](link& one) { one.resumed.cancel(); });
    }

    void end()
    {
        acceptor_.close();
        each([](link& one) { one.reset(); });
    }

    bool stalled = false;
    std::size_t accepted = 0;

private:
    asio::io_context& context_;
    tcp::acceptor acceptor_;
    int to_;
    std::list<std::weak_ptr<link>> links_;
};

proxy::proxy(int port) : state_(std::make_shared<state>(thread_.context(), port)), port_(state_->port())
{
    thread_.start();
}

std::string proxy::dsn() const
{
    return cluster::dsn_at(port_);
}

proxy::~proxy()
{
    thread_.call([&s = *state_] { s.end(); });
    thread_.join();
}

void proxy::stall()
{
    thread_.call([&s = *state_] { s.stalled = true; });
}
void proxy::pass()
{
    thread_.call([&s = *state_] { s.resume(); });
}

void proxy::cut()
{
    thread_.call([&s = *state_] { s.each([](link& one) { one.reset(); }); });
}

void proxy::half_close()
{
    thread_.call([&s = *state_] {
        s.each([](link& one) {
            boost::system::error_code ignored;
            one.silenced = true;
            one.client.shutdown(tcp::socket::shutdown_send, ignored);
        });
    });
}

std::size_t proxy::accepted()
{
    std::size_t count = 0;
    thread_.call([&, &s = *state_] { count = s.accepted; });
    return count;
}

}  // namespace pgtally::test
