// Reads: what the replicas answer, at once or after a wait for a position, a ranking or a change.

#include <pgtally/server/api/api.hpp>
#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/http/admission.hpp>

#include <memory>
#include <utility>

namespace pgtally::server {

using clock = std::chrono::steady_clock;

// Finds the tally, and what the request reads of it. Returns why it cannot be read, or status 200.
response api::find_subject(request const& asked, route const& where, target const& split, cache::tally*& of,
                           subject& what) const
{
    auto refused = found(asked, where.tally, of);
    if (of == nullptr) return refused;
    auto const& bounds = from_.options.bounds;
    auto named = asked.verb == method::post ? listed_keys(*of, asked.body, bounds.max_listed_keys)
                                            : wanted_keys(*of, where, split, bounds.max_query_keys);
    if (named.refused.status != 200) return std::move(named.refused);
    auto question = wanted_question(*of, where, split, bounds);
    if (question.refused.status != 200) return std::move(question.refused);
    what = {std::move(named.keys), std::move(question.what)};
    return refuse_subject(asked, of->definition().name, where, what);
}

// Why the client may not read this of the tally; status 200 if it may.
response api::refuse_subject(request const& asked, std::string const& name, route const& where,
                             subject const& what) const
{
    auto const& may = *asked.by.may;
    if (what.about || where.id == route_id::tally) return refusal_of(may.to_whole(name), asked.by);
    for (auto const& key : what.keys) {
        auto const given = may.to_key(name, key);
        if (given != access::allowed) return refusal_of(given, asked.by);
    }
    return {};
}

// The same for a request whose answer comes from the replica. Each wait is followed by this: meanwhile the tally may have
// become another one.
response api::find_readable(request const& asked, route const& where, target const& split, cache::tally*& of,
                            subject& what) const
{
    auto refused = find_subject(asked, where, split, of, what);
    if (refused.status == 200) refused = unreadable(*of, asked.who());
    return refused;
}

asio::awaitable<response> api::read(request const& asked, route const& where, target const& split)
{
    cache::tally* tally = nullptr;
    subject what;
    auto refused = find_subject(asked, where, split, tally, what);
    if (refused.status != 200) co_return refused;
    auto poll = wanted_poll(split, from_.options.bounds.longest_wait);
    if (poll.refused.status != 200) co_return std::move(poll.refused);
    auto position = wanted_position(split);
    if (position.refused.status != 200) co_return std::move(position.refused);
    if (position.at) {
        auto name = tally->definition().name;
        refused = co_await await_position(asked, std::move(name), std::move(*position.at));
        if (refused.status == 200) refused = find_subject(asked, where, split, tally, what);
        if (refused.status != 200) co_return refused;
    }
    auto const source = source_of(split);
    if (source == counters_source::unknown) co_return problem(400, "bad_request", "source can be database only");
    if (source == counters_source::database) {
        refused = refuse_bypass(asked, where);
        if (refused.status != 200) co_return refused;
        co_return co_await ask_database(*tally, std::move(what.keys), where.id == route_id::key);
    }
    refused = unreadable(*tally, asked.who());
    if (refused.status != 200) co_return refused;
    if (what.about && ranking_for(*tally, *what.about) == nullptr) {
        auto name = tally->definition().name;
        auto by = *cache::counter_of(*what.about);
        refused = co_await await_ranking(std::move(name), std::move(by));
        if (refused.status == 200) refused = find_readable(asked, where, split, tally, what);
        if (refused.status != 200) co_return refused;
    }
    // A list of keys that is posted is not what caches know, so it waits for nothing.
    if (poll.since && asked.verb != method::post)
        co_return co_await answer_change(asked, where, split, *tally, std::move(what), std::move(poll));
    co_return read_now(asked, *tally, where, what);
}

response api::refuse_bypass(request const& asked, route const& where) const
{
    if (where.id != route_id::key && where.id != route_id::keys)
        return problem(400, "bad_request", "source=database is for keys");
    if (!asked.admin && !from_.options.allow_bypass)
        return problem(403, "bypass_not_allowed", "source=database needs the server's option --allow-bypass");
    return {};
}

// The first question about a counter makes a ranking. Returns status 200 when it is there, or was not in time.
asio::awaitable<response> api::await_ranking(std::string name, std::string by)
{
    auto const& bounds = from_.options.bounds;
    if (waiting_reads_ >= bounds.max_waiting_reads)
        co_return problem(503, "busy", "too many requests wait for keys to be ranked");
    ++waiting_reads_;
    co_await from_.replicas.ranked(std::move(name), std::move(by), clock::now() + bounds.ranking_patience);
    --waiting_reads_;
    co_return response{};
}

// Returns status 200 once the tally has reached the position, or why it has not.
asio::awaitable<response> api::await_position(request const& asked, std::string name, cache::since_point at)
{
    auto const& bounds = from_.options.bounds;
    auto* const tally = from_.replicas.find(name);
    auto seen = cache::arrival_at(*tally, at);
    if (seen == cache::arrival::not_yet && tally->has_counters()) {
        if (waiting_reads_ >= bounds.max_waiting_reads)
            co_return problem(503, "busy", "too many requests wait for a position");
        std::shared_ptr const wait{from_.replicas.expect_position(std::move(name), std::move(at))};
        std::weak_ptr const mine{wait};
        auto const leave = [mine] {
            if (auto const still = mine.lock()) still->leave();
        };
        if (asked.when_gone) asked.when_gone(leave);
        ++waiting_reads_;
        seen = co_await wait->arrives(clock::now() + bounds.at_least_patience);
        --waiting_reads_;
    }
    switch (seen) {
        case cache::arrival::reached: co_return response{};
        case cache::arrival::other_epoch:
            co_return problem(412, "other_epoch", "the position of at_least is one of another epoch than the tally's");
        case cache::arrival::not_yet: break;
    }
    co_return problem(504, "not_yet", "this server has not reached the position of at_least");
}

// A request that waits until what it asks for has changed.
asio::awaitable<response> api::answer_change(request const& asked, route const& where, target const& split,
                                             cache::tally& of, subject what, poll_wanted wanted)
{
    auto const since = *wanted.since;
    auto const outcome = co_await polls_.wait(asked, of, std::move(what), std::move(wanted));
    response out;
    if (outcome == long_polls::outcome::too_many) {
        out = problem(503, "busy", "too many requests wait for a change");
    } else if (outcome == long_polls::outcome::unchanged) {
        out = read_unchanged(since);
    } else {
        cache::tally* now = nullptr;
        subject subject_now;
        out = find_readable(asked, where, split, now, subject_now);
        if (out.status == 200) out = read_now(asked, *now, where, subject_now);
    }
    out.waited = true;
    // A cache may answer all who wait for the same from one request. What it keeps is right, only not the newest.
    bool const shared = !asked.admin && out.status < 400;
    if (shared) out.fields.emplace_back("Cache-Control", "public, max-age=1");
    co_return out;
}

asio::awaitable<response> api::ask_database(cache::tally const& of, std::vector<std::string> keys, bool one)
{
    // When the answer comes, the tally may have been dropped, or its definition may have changed.
    auto const name = of.definition().name;
    auto const counters = of.definition().counters;
    auto answered = co_await from_.database.ask(name, counters.size(), keys);
    if (answered.refused) co_return std::move(*answered.refused);
    auto const* const now = from_.replicas.find(name);
    if (now == nullptr || now->definition().counters != counters)
        co_return problem(503, "loading", "the tally's definition changed");
    co_return one ? database_key(*now, keys.front(), answered.counters.front())
                  : database_keys(*now, keys, answered.counters);
}

}  // namespace pgtally::server
