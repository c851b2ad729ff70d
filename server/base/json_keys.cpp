#include <pgtally/server/base/json_keys.hpp>

#include <utility>

namespace pgtally::server {

std::optional<std::string> key_of_json(boost::json::value const& value)
{
    if (auto const* const text = value.if_string()) return std::string{text->data(), text->size()};
    if (auto const* const number = value.if_int64()) return std::to_string(*number);
    if (auto const* const large = value.if_uint64()) return std::to_string(*large);
    return std::nullopt;
}

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
        auto key = key_of_json(item);
        if (!key) {
            out.number = item.is_double();
            out.wrong = out.number ? "a key that is a number must be an integer"
                                   : "each of \"keys\" must be a string or an integer";
            return out;
        }
        out.keys.push_back(std::move(*key));
    }
    return out;
}

}  // namespace pgtally::server
