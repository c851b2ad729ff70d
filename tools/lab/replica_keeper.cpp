#include "keeper.hpp"

#include <pgtally/cache/replica.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;

pgtally::replica::config settings_of(laboratory const& lab, std::shared_ptr<asio::steady_timer> changed)
{
    pgtally::replica::config chosen;
    chosen.dsn = lab.dsn();
    chosen.tally = "pgtally_lab";
    chosen.on_state = [changed = std::move(changed)] { changed->cancel(); };
    return chosen;
}

class replica_keeper final : public keeper {
public:
    explicit replica_keeper(laboratory& lab)
        : lab_(lab)
        , changed_(std::make_shared<asio::steady_timer>(lab.executor()))
        , replica_(lab.executor(), settings_of(lab, changed_))
    {
    }

    asio::awaitable<void> start() override
    {
        // It ends by a stop only; what is wrong with the database is in its state.
        asio::co_spawn(lab_.executor(), replica_.run(), [](std::exception_ptr) {});
        changed_->expires_after(patience);
        while (replica_.state() != cache::state::live) {
            if (replica_.state() == cache::state::failed) throw refused("pgtally cannot count: " + replica_.reason());
            auto const [code] = co_await changed_->async_wait(asio::as_tuple(asio::use_awaitable));
            if (!code) throw refused("pgtally's replica is not live after 30 s: " + replica_.reason());
        }
    }

    asio::awaitable<std::vector<count>> read(std::vector<std::int64_t> messages) override
    {
        auto const xid = co_await lab_.director().query_as<std::int64_t>("select pg_current_xact_id()::text::bigint");
        bool const there = co_await replica_.applied(static_cast<std::uint64_t>(xid.one()), patience);
        if (!there) throw refused("pgtally's replica did not follow within 30 s: " + replica_.reason());
        std::vector<count> all;
        for (auto const messageid : messages) all.push_back({messageid, replica_.get(messageid)["rts"]});
        co_return all;
    }

private:
    laboratory& lab_;
    std::shared_ptr<asio::steady_timer> changed_;
    pgtally::replica replica_;
};

}  // namespace

std::unique_ptr<keeper> make_replica_keeper(laboratory& lab)
{
    return std::make_unique<replica_keeper>(lab);
}

}  // namespace pgtally::lab
