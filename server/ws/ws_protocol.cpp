#include <pgtally/server/ws/ws_protocol.hpp>

#include <utility>

namespace pgtally::server {

ws_protocol::ws_protocol(tally_directory& tallies, shared_changes& shared, limits const& bounds, audience who,
                         std::function<void()> ready)
    : shared_{shared}
    , bounds_{bounds}
    , ready_{std::move(ready)}
    , subscriptions_{tallies, bounds, who, [this] { ready_(); }}
{
}

void ws_protocol::receive(std::string_view text)
{
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

bool ws_protocol::next(ws_message& out, clock::time_point now)
{
    if (!replies_.empty()) {
        out = {};
        out.head = std::move(replies_.front());
        replies_.pop_front();
        return true;
    }
    if (!subscriptions_.next(push_, now)) return false;
    out = encode(push_, shared_);
    return true;
}

}  // namespace pgtally::server
