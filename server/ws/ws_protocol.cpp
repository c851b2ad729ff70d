#include <pgtally/server/ws/ws_protocol.hpp>

#include <utility>

namespace pgtally::server {

ws_protocol::ws_protocol(tally_directory& tallies, shared_changes& shared, limits const& bounds, audience who,
                         authority const* who_may, permit by, moment now, std::function<void()> ready)
    : shared_{shared}
    , bounds_{bounds}
    , ready_{std::move(ready)}
    , who_may_{who_may}
    , subscriptions_{tallies, bounds, who, by.may, [this] { ready_(); }}
    , term_{bounds.expired_patience}
{
    if (who_may_ != nullptr && by.by_token()) term_.begin(who_may_->end_of(by), now);
}

void ws_protocol::receive(std::string_view text, moment now)
{
    now_ = now;
    auto message = decode_client_message(text, bounds_);
    std::visit([this](auto& m) { follow(m); }, message);
}

void ws_protocol::reply(std::string text)
{
    replies_.push_back(std::move(text));
    ready_();
}

void ws_protocol::reply_if(std::optional<refusal> const& refused)
{
    if (refused) reply(encode_error(*refused));
}

void ws_protocol::follow(unsubscribe_message& m)
{
    auto const refused = subscriptions_.unsubscribe(m.id);
    reply(refused ? encode_error(*refused) : encode_unsubscribed(m.id));
}

// A token that is refused changes nothing: the one before stays until its end.
void ws_protocol::follow(auth_message& m)
{
    if (who_may_ == nullptr) return reply(encode_authenticated(std::nullopt));
    auto const judged = who_may_->judge(m.token, now_.wall);
    if (auto const* const fault = std::get_if<token_fault>(&judged)) {
        refusal const why{{}, "unauthorized", std::string{explain(*fault)}};
        return reply(encode_error(why));
    }
    auto const& given = std::get<permit>(judged);
    term_.begin(who_may_->end_of(given), now_);
    reply(encode_authenticated(given.until));
    subscriptions_.restrict_to(given.may, "not_allowed");
}

void ws_protocol::time_is(clock::time_point now)
{
    if (term_.ends(now)) subscriptions_.restrict_to(who_may_->anybody().may, "expired");
    subscriptions_.time_is(now);
}

bool ws_protocol::next(ws_message& out, clock::time_point now)
{
    if (!replies_.empty()) {
        out.clear();
        out.head = std::move(replies_.front());
        replies_.pop_front();
        return true;
    }
    if (!subscriptions_.next(push_, now)) return false;
    encode(push_, shared_, out);
    return true;
}

}  // namespace pgtally::server
