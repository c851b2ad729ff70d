#include <pgtally/cache/replica/notify_transport.hpp>

#include <pgtally/cache/replica/database_reason.hpp>
#include <pgtally/db/listener.hpp>

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

constexpr char const* channel = "tally";

class listening_transport final : public transport {
public:
    listening_transport(boost::asio::any_io_executor executor, db::config database)
        : listener_{std::move(executor), std::move(database), std::vector<std::string>{channel}}
    {
    }

    boost::asio::awaitable<void> run() override { return listener_.run(); }

    boost::asio::awaitable<std::span<signal const>> next() override
    {
        auto const events = co_await listener_.next();
        batch_.clear();
        for (auto const& event : events) std::visit([this](auto const& e) { add(e); }, event);
        co_return batch_;
    }

    void restart(cache::reason why) override
    {
        restart_ = std::move(why);
        listener_.reconnect(restart_.text());
    }
    void retry_now() noexcept override { listener_.retry_now(); }
    void stop() override { listener_.stop(); }

    std::string sending(std::string_view parameter) const override
    {
        return std::string{"pg_notify('"} + channel + "', " + std::string{parameter} + ")";
    }

    boost::asio::awaitable<heartbeat_answer> send_heartbeat(db::connection& connection, std::string text) const override
    {
        using row = std::tuple<double, bool, std::int32_t>;
        auto const statement =
            "select pg_notification_queue_usage(), to_regclass('tally.tallies') is not null, pg_backend_pid() from " +
            sending("$1");
        auto const rows = co_await connection.query_as<row>(statement, text);
        auto const [usage, installed, pid] = rows.one();
        heartbeat_answer answer;
        answer.installed = installed;
        answer.pooled = db::backend_pid{pid} != connection.backend_pid();
        answer.queue_usage = usage;
        co_return answer;
    }

    boost::asio::awaitable<void> prepare_load(db::connection&, std::function<bool(cache::reason)>) const override
    {
        co_return;
    }

private:
    void add(db::notification const& e) { batch_.emplace_back(payload{e.payload}); }
    void add(db::listening const&) { batch_.emplace_back(opened{}); }
    // A restart has no error code: the listener reports the text that it was given.
    void add(db::lost const& e) { batch_.emplace_back(lost{e.code ? database_reason(e) : restart_, e.permanent}); }

    db::listener listener_;
    std::vector<signal> batch_;
    cache::reason restart_;  // of the last restart
};

std::shared_ptr<transport> make(boost::asio::any_io_executor executor, db::config database)
{
    return std::make_shared<listening_transport>(std::move(executor), std::move(database));
}

}  // namespace

transport_factory notify_transport()
{
    return {"notify", make};
}

}  // namespace pgtally
