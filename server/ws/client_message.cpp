#include <pgtally/server/base/json_keys.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/ws/client_message.hpp>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace pgtally::server {

namespace json = boost::json;

namespace {

// The first error in a message. Thrown and caught in this file only.
struct wrong {
    std::string_view code;
    std::string message;
};

[[noreturn]] void bad(std::string message)
{
    throw wrong{"bad_message", std::move(message)};
}

std::string text_of(json::string const& text)
{
    return {text.data(), text.size()};
}

// The id as messages echo it; nothing if it is neither a 64-bit integer nor a string of reasonable length.
std::optional<std::string> usable_id(json::object const& message, limits const& bounds)
{
    auto const* const id = message.if_contains("id");
    if (id == nullptr) return std::nullopt;
    std::string out;
    if (auto const* const number = id->if_int64()) {
        append_json(out, std::int64_t{*number});
    } else if (auto const* const text = id->if_string(); text != nullptr && text->size() <= bounds.max_id_bytes) {
        append_json(out, text_of(*text));
    } else {
        return std::nullopt;
    }
    return out;
}

std::string key_of(json::value const& value)
{
    if (auto key = key_of_json(value)) return std::move(*key);
    if (value.is_double()) throw wrong{"bad_key", "a key that is a number must be an integer"};
    bad("a key must be a string or an integer");
}

std::vector<std::string> keys_of(json::value const& value)
{
    auto list = keys_of_json(value);
    if (list.number) throw wrong{"bad_key", std::string{list.wrong}};
    if (!list.wrong.empty()) bad(std::string{list.wrong});
    return std::move(list.keys);
}

std::vector<std::string> required_keys(json::object const& message)
{
    auto const* const keys = message.if_contains("keys");
    if (keys == nullptr) bad("\"keys\" is missing");
    return keys_of(*keys);
}

cache::since_point since_of(json::value const& value)
{
    auto const* const object = value.if_object();
    auto const* const epoch = object == nullptr ? nullptr : object->if_contains("epoch");
    auto const* const revision = object == nullptr ? nullptr : object->if_contains("revision");
    if (epoch == nullptr || !epoch->is_string() || revision == nullptr) {
        bad("\"since\" must be {\"epoch\": a string, \"revision\": an integer}");
    }
    cache::since_point out{text_of(epoch->get_string()), 0};
    if (auto const* const number = revision->if_int64(); number != nullptr && *number >= 0) {
        out.revision = static_cast<std::uint64_t>(*number);
    } else if (auto const* const large = revision->if_uint64()) {
        out.revision = *large;
    } else {
        bad("the \"revision\" of \"since\" must be an integer that is not negative");
    }
    return out;
}

std::chrono::milliseconds interval_of(json::value const& value, limits const& bounds)
{
    auto const* const number = value.if_int64();
    if (number == nullptr || *number < 0 || *number > bounds.max_interval.count()) {
        bad("\"interval_ms\" must be an integer from 0 to " + std::to_string(bounds.max_interval.count()));
    }
    return std::chrono::milliseconds{*number};
}

json::object const& object_of(json::value const& value, char const* name)
{
    auto const* const object = value.if_object();
    if (object == nullptr) bad(std::string{"\""} + name + "\" must be an object");
    return *object;
}

std::string counter_of(json::object const& of)
{
    auto const* const by = of.if_contains("by");
    if (by == nullptr || !by->is_string()) bad("\"by\" must be a string, the name of a counter");
    return text_of(by->get_string());
}

// A number of keys: `otherwise` if the member is missing.
std::size_t count_of(json::object const& of, char const* name, std::size_t least, std::size_t most,
                     std::size_t otherwise)
{
    auto const* const value = of.if_contains(name);
    if (value == nullptr) return otherwise;
    auto const* const number = value->if_int64();
    if (number != nullptr && *number >= static_cast<std::int64_t>(least) && *number <= static_cast<std::int64_t>(most))
        return static_cast<std::size_t>(*number);
    bad(std::string{"\""} + name + "\" must be an integer from " + std::to_string(least) + " to " +
        std::to_string(most));
}

// The question that a subscribe asks; nothing if it is about keys.
std::optional<cache::question> question_of(json::object const& message, limits const& bounds)
{
    auto const *const top = message.if_contains("top"), *const sum = message.if_contains("sum"),
                      *const rank = message.if_contains("rank");
    if ((top != nullptr) + (sum != nullptr) + (rank != nullptr) > 1)
        bad("a subscription has keys, a top, a sum or a rank: only one of them");
    if (top != nullptr) {
        auto const& object = object_of(*top, "top");
        return cache::top_question{counter_of(object), count_of(object, "limit", 1, bounds.max_top, 10)};
    }
    if (sum != nullptr) {
        if (!sum->is_bool() || !sum->get_bool()) bad("\"sum\" must be true");
        return cache::sum_question{};
    }
    if (rank == nullptr) return std::nullopt;
    auto const& object = object_of(*rank, "rank");
    auto const* const key = object.if_contains("key");
    if (key == nullptr) bad("\"rank\" must name a \"key\"");
    return cache::rank_question{counter_of(object), key_of(*key), count_of(object, "around", 0, bounds.max_around, 0)};
}

subscribe_message subscribe_of(json::object const& message, std::string id, limits const& bounds)
{
    auto const* const tally = message.if_contains("tally");
    if (tally == nullptr || !tally->is_string()) bad("\"tally\" must be a string");
    subscribe_message out{.id = std::move(id), .tally = text_of(tally->get_string()), .keys = {}, .since = {}};
    out.asks = question_of(message, bounds);
    if (auto const* const keys = message.if_contains("keys")) {
        if (out.asks) bad("a subscription has keys, a top, a sum or a rank: only one of them");
        out.keys = keys_of(*keys);
    }
    if (auto const* const since = message.if_contains("since")) out.since = since_of(*since);
    if (auto const* const interval = message.if_contains("interval_ms")) out.interval = interval_of(*interval, bounds);
    return out;
}

auth_message auth_of(json::object const& message)
{
    auto const* const token = message.if_contains("token");
    if (token == nullptr || !token->is_string()) bad("\"token\" must be a string");
    return {text_of(token->get_string())};
}

client_message message_of(json::object const& message, std::optional<std::string> id, limits const& bounds)
{
    auto const* const type = message.if_contains("type");
    if (type == nullptr || !type->is_string()) bad("\"type\" must be a string");
    std::string_view const name{type->get_string().data(), type->get_string().size()};
    if (name == "ping") return ping_message{};
    if (name == "auth") return auth_of(message);

    constexpr std::array<std::string_view, 4> known{"subscribe", "track", "untrack", "unsubscribe"};
    if (std::find(known.begin(), known.end(), name) == known.end()) {
        throw wrong{"unknown_type", "\"type\" must be subscribe, track, untrack, unsubscribe, auth or ping"};
    }
    if (!id) {
        bad("\"id\" must be a 64-bit integer or a string of at most " + std::to_string(bounds.max_id_bytes) + " bytes");
    }
    if (name == "subscribe") return subscribe_of(message, std::move(*id), bounds);
    if (name == "track") return track_message{std::move(*id), required_keys(message)};
    if (name == "untrack") return untrack_message{std::move(*id), required_keys(message)};
    return unsubscribe_message{std::move(*id)};
}

}  // namespace

client_message decode_client_message(std::string_view text, limits const& bounds)
{
    json::error_code failure;
    json::monotonic_resource memory;
    auto const value = json::parse({text.data(), text.size()}, failure, &memory);
    auto const* const object = failure ? nullptr : value.if_object();
    if (object == nullptr) return refusal{{}, "bad_message", "a message must be one JSON object"};

    auto id = usable_id(*object, bounds);
    try {
        return message_of(*object, id, bounds);
    } catch (wrong& w) {
        return refusal{std::move(id).value_or(""), w.code, std::move(w.message)};
    }
}

}  // namespace pgtally::server
