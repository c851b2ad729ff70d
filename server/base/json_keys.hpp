#pragma once

#include <boost/json/value.hpp>

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

}  // namespace pgtally::server
