#include <pgtally/server/base/json_keys.hpp>

namespace pgtally::server {

json_keys keys_of_json(boost::json::value const& list)
{
    json_keys out;
    auto const* const items = list.if_array();
    if (items == nullptr) {
        out.wrong = "\"keys\" must be an array";
        return out;
    }
    out.keys.reserve(items->size());
    for (auto const& item : *items) {
        if (auto const* const text = item.if_string()) {
            out.keys.emplace_back(text->data(), text->size());
        } else if (auto const* const number = item.if_int64()) {
            out.keys.push_back(std::to_string(*number));
        } else if (auto const* const large = item.if_uint64()) {
            out.keys.push_back(std::to_string(*large));
        } else {
            out.number = item.is_double();
            out.wrong = out.number ? "a key that is a number must be an integer"
                                   : "each of \"keys\" must be a string or an integer";
            return out;
        }
    }
    return out;
}

}  // namespace pgtally::server
