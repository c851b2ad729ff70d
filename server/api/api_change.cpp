// The answer to a request that waits until what it asks for has changed.

#include <pgtally/server/api/api.hpp>
#include <pgtally/server/api/reads.hpp>

#include <utility>

namespace pgtally::server {

asio::awaitable<response> api::answer_change(request const& asked, route const& where, target const& split,
                                             cache::tally& of, std::vector<std::string> keys, poll_wanted wanted)
{
    auto const since = *wanted.since;
    auto const outcome = co_await polls_.wait(asked, of, std::move(keys), std::move(wanted));
    response out;
    if (outcome == long_polls::outcome::too_many) {
        out = problem(503, "busy", "too many requests wait for a change");
    } else if (outcome == long_polls::outcome::unchanged) {
        out = read_unchanged(since);
    } else {
        // Meanwhile the tally may have become another one.
        cache::tally* now = nullptr;
        out = found(where.tally, asked.who(), now);
        if (now == nullptr) co_return out;
        auto named = named_keys(asked, *now, where, split);
        if (named.refused.status != 200) co_return std::move(named.refused);
        out = unreadable(*now, asked.who());
        if (out.status == 200) out = read_now(asked, *now, where, named.keys);
    }
    // A cache may answer all who wait for the same from one request. What it keeps is right, only not the newest.
    bool const shared = !asked.admin && out.status < 400;
    if (shared) out.fields.emplace_back("Cache-Control", "public, max-age=1");
    co_return out;
}

}  // namespace pgtally::server
