#include <pgtally/cache/replica/replica.hpp>

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/cache/replica/subscription_adapter.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/error.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>
#include <limits>
#include <stdexcept>
#include <utility>

namespace pgtally {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;

namespace {

// The embedder's functions. They are not called after the replica is destroyed, although its connections may log until
// they are closed.
struct hooks {
    bool ended = false;
    std::function<void(db::level, std::string_view)> log;
    std::function<void()> on_state;
};

replica_set::config settings_of(replica::config const& chosen, std::shared_ptr<hooks> calls)
{
    if (chosen.tally.empty()) throw std::invalid_argument{"a replica needs the name of a tally"};
    replica_set::config result;
    result.database.conninfo = chosen.dsn;
    result.only = {chosen.tally};
    result.heartbeat = chosen.heartbeat;
    result.concurrent_loads = 1;
    result.limits = chosen.limits;
    result.limits.max_keys_in_message = std::numeric_limits<std::size_t>::max();
    if (chosen.log) {
        result.database.log = [calls](db::level at, std::string_view line) {
            if (!calls->ended) calls->log(at, line);
        };
    }
    return result;
}

counter_values::names_ptr share(std::vector<std::string> const& names)
{
    return std::make_shared<std::vector<std::string> const>(names);
}

// The tally's ranking by a counter, if it is complete.
cache::ranking const* ranking_of(cache::tally& tally, std::string const& by)
{
    auto const& names = tally.definition().counters;
    auto const at = std::ranges::find(names, by);
    if (at == names.end()) throw std::out_of_range{"the tally has no counter " + by};
    return tally.questions().ranked(static_cast<std::size_t>(at - names.begin()), clock::now());
}

std::string const stopped_reason{"the replica was stopped"};
std::string const nothing;

}  // namespace

// Owned by the replica and by each coroutine that runs in it.
struct replica::core : std::enable_shared_from_this<core> {
    core(asio::any_io_executor chosen_executor, config chosen)
        : executor{std::move(chosen_executor)}
        , name{chosen.tally}
        , max_tracked_keys{chosen.limits.max_tracked_keys}
        , calls{std::make_shared<hooks>(hooks{false, chosen.log, chosen.on_state})}
        , ended{executor}
        , set{executor, with_turns(settings_of(chosen, calls))}
    {
    }

    replica_set::config with_turns(replica_set::config settings)
    {
        settings.on_turn = [this] { on_turn(); };
        return settings;
    }

    cache::tally* tally() noexcept { return set.find(name); }

    void on_turn()
    {
        attach_subscriptions();
        report_state();
    }

    void attach_subscriptions()
    {
        auto* const found = tally();
        if (found == nullptr || stopped) {
            std::erase_if(subscriptions->detached, [](auto const& each) { return each.expired(); });
            return;
        }
        for (auto const& each : std::exchange(subscriptions->detached, {})) {
            if (auto const one = each.lock()) one->attach(*found);
        }
    }

    void report_state()
    {
        if (std::exchange(reported_state, state()) == state() && reported_reason == reason()) return;
        reported_reason = reason();
        if (!calls->on_state || calls->ended) return;
        try {
            auto const call = calls->on_state;
            call();
        } catch (...) {
            auto const rethrow = [thrown = std::current_exception()] { std::rethrow_exception(thrown); };
            asio::post(executor, rethrow);
        }
    }

    // Posts a turn that the set does not make: after a subscription or a stop between two turns of the set.
    void post_turn()
    {
        if (std::exchange(turn_posted, true)) return;
        auto turn = [weak = weak_from_this()] {
            auto const alive = weak.lock();
            if (!alive) return;
            alive->turn_posted = false;
            alive->on_turn();
            auto* const found = alive->tally();
            if (found != nullptr && !alive->stopped) found->flush();
        };
        asio::post(executor, std::move(turn));
    }

    void stop()
    {
        if (std::exchange(stopped, true)) return;
        set.stop();
        if (!calls->ended) post_turn();
    }

    void end() noexcept
    {
        calls->ended = true;
        subscriptions->ended = true;
        stop();
    }

    cache::state state() noexcept
    {
        auto const* const found = tally();
        if (found == nullptr) return set.trouble_is_permanent() ? cache::state::failed : cache::state::loading;
        return stopped && found->state() == cache::state::live ? cache::state::stale : found->state();
    }

    std::string const& reason() noexcept
    {
        if (stopped) return stopped_reason;
        auto const* const found = tally();
        if (found == nullptr || (found->state() == cache::state::loading && found->reason().empty())) {
            return set.trouble().text();
        }
        return found->reason().text();
    }

    asio::any_io_executor executor;
    std::string name;
    std::size_t max_tracked_keys;
    std::shared_ptr<hooks> calls;
    std::shared_ptr<subscription_adapter::group> subscriptions = std::make_shared<subscription_adapter::group>();
    counter_values::names_ptr names;
    cache::state reported_state = cache::state::loading;
    std::string reported_reason;
    db::detail::signal ended;
    std::exception_ptr failure;
    bool began = false, running = false, stopped = false, turn_posted = false;
    replica_set set;  // the last member: its destructor wakes subscriptions and may call `on_turn`
};

replica::replica(asio::any_io_executor executor, config chosen)
    : core_{std::make_shared<core>(std::move(executor), std::move(chosen))}
{
}

replica::~replica()
{
    core_->end();
}

asio::awaitable<void> replica::run()
{
    return run(core_);
}

// The set runs in a separate coroutine, so that a cancellation of this one does not end it before the set's others.
asio::awaitable<void> replica::run(std::shared_ptr<core> of)
{
    if (std::exchange(of->began, true)) throw std::logic_error{"run() was called before"};
    of->running = true;
    std::exception_ptr cancelled;
    auto on_end = [of](std::exception_ptr thrown) {
        of->failure = thrown;
        of->running = false;
        of->ended.notify();
    };
    asio::co_spawn(of->executor, of->set.run(), std::move(on_end));
    while (of->running) {
        try {
            co_await of->ended.wait();
        } catch (...) {
            cancelled = std::current_exception();
        }
        if (!cancelled) continue;
        of->stop();
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    }
    if (cancelled) std::rethrow_exception(cancelled);
    if (of->failure) std::rethrow_exception(of->failure);
}

void replica::stop()
{
    core_->stop();
}

counter_values replica::get(any_key const& key) const
{
    auto const* const tally = core_->tally();
    if (tally == nullptr || !tally->has_counters()) return {};
    auto const& what = tally->definition();
    if (!core_->names || *core_->names != what.counters) {
        core_->names = std::make_shared<std::vector<std::string> const>(what.counters);
    }
    auto const parsed = cache::parse_key(what.kind(), key.text());
    if (parsed) return {core_->names, tally->counters(*parsed)};
    return {core_->names, std::vector<std::int64_t>(what.counters.size(), 0)};
}

cache::state replica::state() const noexcept
{
    return core_->state();
}

std::string const& replica::reason() const noexcept
{
    return core_->reason();
}

std::string const& replica::epoch() const noexcept
{
    auto const* const tally = core_->tally();
    return tally == nullptr ? nothing : tally->epoch();
}

std::uint64_t replica::revision() const noexcept
{
    auto const* const tally = core_->tally();
    return tally == nullptr ? 0 : tally->revision();
}

std::size_t replica::size() const noexcept
{
    auto const* const tally = core_->tally();
    return tally == nullptr ? 0 : tally->table().nonzero();
}

// Questions about all keys

asio::awaitable<top_keys> replica::top(std::string by, std::size_t limit)
{
    return top(core_, std::move(by), limit);
}

asio::awaitable<top_keys> replica::top(std::shared_ptr<core> of, std::string by, std::size_t limit)
{
    auto* tally = of->tally();
    if (tally == nullptr || !tally->has_counters()) co_return top_keys{};
    if (ranking_of(*tally, by) == nullptr) co_await of->set.ranked(of->name, by, clock::time_point::max());
    tally = of->tally();
    auto const* const order = tally == nullptr ? nullptr : ranking_of(*tally, by);
    cache::answer found;
    if (order != nullptr) cache::answer_top(found, tally->table(), *order, limit);
    auto const names = tally == nullptr ? nullptr : share(tally->definition().counters);
    co_return ranked_keys(found.rows, names);
}

asio::awaitable<key_rank> replica::rank(std::string by, any_key key, std::size_t around)
{
    return rank(core_, std::move(by), std::move(key), around);
}

asio::awaitable<key_rank> replica::rank(std::shared_ptr<core> of, std::string by, any_key key, std::size_t around)
{
    key_rank out;
    auto* tally = of->tally();
    if (tally == nullptr || !tally->has_counters()) co_return out;
    if (ranking_of(*tally, by) == nullptr) co_await of->set.ranked(of->name, by, clock::time_point::max());
    tally = of->tally();
    auto const* const order = tally == nullptr ? nullptr : ranking_of(*tally, by);
    auto const parsed = tally == nullptr ? std::nullopt : cache::parse_key(tally->definition().kind(), key.text());
    if (order == nullptr || !parsed) co_return out;
    cache::answer found;
    cache::answer_rank(found, tally->table(), *order, *parsed, around);
    auto const names = share(tally->definition().counters);
    out.place = found.place;
    out.of = found.of;
    out.around = ranked_keys(found.rows, names);
    co_return out;
}

key_sums replica::sum() const
{
    auto const* const tally = core_->tally();
    if (tally == nullptr || !tally->has_counters()) return {};
    auto const sums = tally->table().sums();
    return {{sums.begin(), sums.end()}, tally->table().nonzero()};
}

// Subscriptions

replica::subscription replica::subscribe_top(std::string by, std::size_t limit,
                                             std::function<void(top_keys const&)> call)
{
    auto told = [call = std::move(call)](cache::update const& what, std::vector<std::string> const& names) {
        call(ranked_keys(what.rows, share(names)));
    };
    cache::question asks{cache::top_question{std::move(by), limit}};
    return subscribe(std::make_shared<subscription_adapter>(core_->executor, core_->subscriptions, std::move(asks),
                                                            std::move(told)));
}

replica::subscription replica::subscribe_rank(std::string by, any_key key, std::size_t around,
                                              std::function<void(key_rank const&)> call)
{
    auto told = [call = std::move(call)](cache::update const& what, std::vector<std::string> const& names) {
        call({what.answered->place, what.answered->of, ranked_keys(what.rows, share(names))});
    };
    cache::question asks{cache::rank_question{std::move(by), key.text(), around}};
    return subscribe(std::make_shared<subscription_adapter>(core_->executor, core_->subscriptions, std::move(asks),
                                                            std::move(told)));
}

replica::subscription replica::subscribe_sum(std::function<void(key_sums const&)> call)
{
    auto told = [call = std::move(call)](cache::update const& what, std::vector<std::string> const&) {
        call({what.answered->sums, what.answered->of});
    };
    cache::question asks{cache::sum_question{}};
    return subscribe(std::make_shared<subscription_adapter>(core_->executor, core_->subscriptions, std::move(asks),
                                                            std::move(told)));
}

replica::subscription replica::subscribe(std::vector<any_key> keys, callback call)
{
    if (keys.size() > core_->max_tracked_keys) {
        throw std::length_error{"a subscription to more than " + std::to_string(core_->max_tracked_keys) + " keys"};
    }
    return subscribe(std::make_shared<subscription_adapter>(core_->executor, core_->subscriptions, std::move(keys),
                                                            false, std::move(call)));
}

replica::subscription replica::subscribe_all(callback call)
{
    return subscribe(std::make_shared<subscription_adapter>(core_->executor, core_->subscriptions,
                                                            std::vector<any_key>{}, true, std::move(call)));
}

replica::subscription replica::subscribe(std::shared_ptr<subscription_adapter> which)
{
    core_->subscriptions->detached.push_back(which);
    core_->post_turn();
    return subscription{std::move(which)};
}

replica::subscription::subscription() noexcept = default;
replica::subscription::subscription(std::shared_ptr<subscription_adapter> which) noexcept : which_{std::move(which)} {}
replica::subscription::subscription(subscription&&) noexcept = default;

replica::subscription& replica::subscription::operator=(subscription&& other) noexcept
{
    auto const before = std::exchange(which_, std::move(other.which_));
    if (before && before != which_) before->end();
    return *this;
}

replica::subscription::~subscription()
{
    if (which_) which_->end();
}

// Read your writes

asio::awaitable<void> replica::applied(std::uint64_t xid)
{
    return applied(core_, xid);
}

asio::awaitable<void> replica::applied(std::shared_ptr<core> of, std::uint64_t xid)
{
    co_await applied(of, xid, clock::time_point::max());
}

asio::awaitable<bool> replica::applied(std::uint64_t xid, std::chrono::milliseconds at_most)
{
    return applied(core_, xid, clock::now() + at_most);
}

asio::awaitable<bool> replica::applied(std::shared_ptr<core> of, std::uint64_t xid, clock::time_point until)
{
    auto const transaction = static_cast<cache::xid>(xid);
    co_return co_await of->set.applied(of->name, transaction, until);
}

}  // namespace pgtally
