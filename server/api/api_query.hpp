#pragma once

#include <pgtally/cache/position.hpp>
#include <pgtally/cache/question.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/server/api/actions.hpp>
#include <pgtally/server/api/router.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/target.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// What a request to a tally names, decoded and checked. `refused` says why it is not acceptable; status 200 if it is.

struct keys_wanted {
    std::vector<std::string> keys;
    response refused{};
};

// The key of the path, or those of `?key=`; none for the tally as a whole.
keys_wanted wanted_keys(cache::tally const& of, route const& where, target const& split, std::size_t most);

// The keys of a body `{"keys":["33",34]}`.
keys_wanted listed_keys(cache::tally const& of, std::string_view body, std::size_t most);

// `?since=` and `?wait=`: until when the client has everything, and how long it waits for a change. Without `since`, it
// does not wait. If they are not valid, status 400.
struct poll_wanted {
    std::optional<cache::since_point> since{};
    std::chrono::seconds wait{0};
    response refused{};
};
poll_wanted wanted_poll(target const& split, std::chrono::seconds longest);

// The question of GET …/top or …/rank; none for other routes.
struct question_wanted {
    std::optional<cache::question> what{};
    response refused{};
};
question_wanted wanted_question(cache::tally const& of, route const& where, target const& split, limits const& bounds);

struct action_wanted {
    actions::order what;
    response refused{};
};

// An action for the key of the path or of `?key=`, with a body that is JSON or empty.
action_wanted wanted_action(cache::tally const& of, route const& where, target const& split, std::string_view body);

// The position of `?at_least=`; nothing if there is none. If it is not one, status 400.
struct position_wanted {
    std::optional<cache::since_point> at{};
    response refused{};
};
position_wanted wanted_position(target const& split);

enum class counters_source { replica, database, unknown };
counters_source source_of(target const& split);

}  // namespace pgtally::server
