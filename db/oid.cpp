#include <pgtally/db/oid.hpp>

namespace pgtally::db::oids {

std::string type_name(std::uint32_t number)
{
    for (auto const& each : types) {
        if (each.number == number) return std::string(each.called);
        if (each.array != 0 && each.array == number) return std::string(each.called) + "[]";
    }
    return "type " + std::to_string(number);
}

}  // namespace pgtally::db::oids
