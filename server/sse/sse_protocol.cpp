#include <pgtally/server/sse/sse_protocol.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

sse_protocol::sse_protocol(tally_directory& tallies, shared_changes& shared, limits const& bounds, audience who,
                           std::shared_ptr<rights const> may, std::function<void()> ready)
    : shared_{shared}, bounds_{bounds}, subscriptions_{tallies, bounds, who, std::move(may), std::move(ready)}
{
}

void sse_protocol::ends_with_token(std::chrono::sys_seconds until, std::shared_ptr<rights const> anybody, moment now)
{
    term_.begin(until, now);
    anybody_ = std::move(anybody);
}

std::optional<refusal> sse_protocol::begin(subscribe_request what, std::chrono::milliseconds retry,
                                           clock::time_point now)
{
    retry_ = retry;
    comment_at_ = now + bounds_.comment_every;
    return subscriptions_.subscribe(std::move(what));
}

bool sse_protocol::next(sse_message& out, clock::time_point now)
{
    if (ended_) return false;
    if (auto const retry = std::exchange(retry_, std::nullopt)) {
        out = encode_retry(*retry);
        return true;
    }
    if (now >= comment_at_) {
        comment_at_ = now + bounds_.comment_every;
        out = encode_comment();
        return true;
    }
    if (term_.ends(now)) subscriptions_.restrict_to(anybody_, "expired");
    subscriptions_.time_is(now);
    if (!subscriptions_.next(push_, now)) return false;
    out = encode_event(push_, shared_);
    ended_ = push_.what == push::kind::dropped || push_.what == push::kind::ended || push_.what == push::kind::refused;
    return true;
}

sse_protocol::clock::time_point sse_protocol::due() const noexcept
{
    return std::min({comment_at_, term_.due(), subscriptions_.due()});
}

}  // namespace pgtally::server
