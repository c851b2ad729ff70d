#include "own_replica.hpp"

#include "dsn.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;

// There is one laboratory per database, but a server may have several databases.
std::string name_of(laboratory& lab)
{
    return "pgtally-lab replica " + std::to_string(static_cast<std::int32_t>(lab.director().backend_pid()));
}

pgtally::replica::config settings_of(laboratory const& lab, std::string const& name,
                                     std::shared_ptr<asio::steady_timer> changed)
{
    pgtally::replica::config chosen;
    chosen.dsn = with_application_name(lab.dsn(), name);
    chosen.tally = "pgtally_lab";
    chosen.on_state = [changed = std::move(changed)] { changed->cancel(); };
    return chosen;
}

}  // namespace

own_replica::own_replica(laboratory& lab)
    : lab_(lab)
    , name_(name_of(lab))
    , changed_(std::make_shared<asio::steady_timer>(lab.executor()))
    , replica_(lab.executor(), settings_of(lab, name_, changed_))
{
}

void own_replica::start()
{
    // run() ends only by stop(). Problems with the database are in the replica's state.
    asio::co_spawn(lab_.executor(), replica_.run(), [](std::exception_ptr) {});
}

asio::awaitable<void> own_replica::until_live()
{
    changed_->expires_after(patience);
    while (replica_.state() != cache::state::live) {
        if (replica_.state() == cache::state::failed) throw refused("pgtally cannot count: " + replica_.reason());
        auto const [code] = co_await changed_->async_wait(asio::as_tuple(asio::use_awaitable));
        if (!code) throw refused("pgtally's replica is not live after 30 s: " + replica_.reason());
    }
}

asio::awaitable<void> own_replica::catch_up()
{
    auto const xid = co_await lab_.director().query_as<std::int64_t>("select pg_current_xact_id()::text::bigint");
    bool const there = co_await replica_.applied(static_cast<std::uint64_t>(xid.one()), patience);
    if (!there) throw refused("pgtally's replica did not follow within 30 s: " + replica_.reason());
}

std::int64_t own_replica::rts(std::int64_t messageid) const
{
    auto const values = replica_.get(messageid);
    return values.empty() ? 0 : values["rts"];
}

}  // namespace pgtally::lab
