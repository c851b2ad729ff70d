#include <pgtally/cache/replica/notify_transport.hpp>

#include <pgtally/cache/heartbeat_diagnosis.hpp>
#include <pgtally/db/listener.hpp>

#include <utility>
#include <vector>

namespace pgtally {

namespace {

class notify_transport final : public transport {
public:
    notify_transport(boost::asio::any_io_executor executor, db::config database)
        : listener_{std::move(executor), std::move(database), std::vector<std::string>{"tally"}}
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

    void restart(std::string reason) override { listener_.reconnect(std::move(reason)); }
    void stop() override { listener_.stop(); }

private:
    void add(db::notification const& e) { batch_.emplace_back(payload{e.payload}); }
    void add(db::listening const&) { batch_.emplace_back(opened{}); }
    void add(db::lost const& e) { batch_.emplace_back(lost{with_remedy(e.reason, e.state.view()), e.permanent}); }

    db::listener listener_;
    std::vector<signal> batch_;
};

}  // namespace

std::unique_ptr<transport> make_notify_transport(boost::asio::any_io_executor executor, db::config database)
{
    return std::make_unique<notify_transport>(std::move(executor), std::move(database));
}

}  // namespace pgtally
