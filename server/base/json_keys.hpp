#pragma once

#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The keys that a client lists in JSON: strings and integers. If one is neither, `wrong` says so, for people.
struct json_keys {
    std::vector<std::string> keys{};
    std::string_view wrong{};  // empty: nothing is
    bool number = false;       // what is wrong is a key that is no integer, and not the list
};

json_keys keys_of_json(boost::json::value const& list);

// The key that a client names in JSON, a string or an integer; nothing if it is neither.
std::optional<std::string> key_of_json(boost::json::value const& value);

}  // namespace pgtally::server
