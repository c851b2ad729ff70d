// What a client may read: judged when it subscribes and tracks, and whenever its rights change.

#include <pgtally/server/push/client_subscriptions.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

// Nothing if it is allowed.
std::optional<refusal> refusal_by(access what, std::string const& id)
{
    switch (what) {
        case access::allowed: return std::nullopt;
        case access::no_token: return refusal{id, "unauthorized", "this needs a token"};
        case access::hidden: return refusal{id, "unknown_tally", "there is no tally of this name"};
        case access::not_allowed: break;
    }
    return refusal{id, "not_allowed", "the token does not give this"};
}

}  // namespace

std::optional<refusal> client_subscriptions::refuse_keys(std::string const& id, std::string const& tally,
                                                         std::vector<std::string> const& keys) const
{
    if (may_->to_whole(tally) == access::allowed) return std::nullopt;
    for (auto const& key : keys) {
        if (auto refused = refusal_by(may_->to_key(tally, key), id)) return refused;
    }
    return std::nullopt;
}

std::optional<refusal> client_subscriptions::refuse_rights(subscribe_request const& what) const
{
    if (!what.keys || what.asks) return refusal_by(may_->to_whole(what.tally), what.id);
    if (auto refused = refusal_by(may_->to_tally(what.tally), what.id)) return refused;
    return refuse_keys(what.id, what.tally, *what.keys);
}

bool client_subscriptions::may_keep(entry const& which) const
{
    if (which.dropped()) return true;  // the client is told so
    auto const& tally = which.of()->definition().name;
    if (may_->to_whole(tally) == access::allowed) return true;
    if (which.all_keys() || which.asks() || may_->to_tally(tally) != access::allowed) return false;
    return which.all_tracked([&](std::string_view key) { return may_->to_key(tally, key) == access::allowed; });
}

bool client_subscriptions::may_keep(waiting const& which) const
{
    if (refuse_rights(which.what)) return false;
    auto const allowed = [&](auto const& key) { return may_->to_key(which.what.tally, key.first) == access::allowed; };
    return std::all_of(which.keys.begin(), which.keys.end(), allowed);
}

void client_subscriptions::restrict_to(std::shared_ptr<rights const> may, std::string_view reason)
{
    may_ = std::move(may);
    for (auto at = entries_.begin(); at != entries_.end();) {
        auto& which = *(at++)->second;
        if (may_keep(which)) continue;
        ended_.push_back({which.id, std::string{reason}});
        drop(which);
    }
    for (auto at = pending_.begin(); at != pending_.end();) {
        auto const which = at++;
        if (may_keep(which->second)) continue;
        ended_.push_back({which->first, std::string{reason}});
        pending_.erase(which);
    }
    if (!ended_.empty()) ready_();
}

}  // namespace pgtally::server
