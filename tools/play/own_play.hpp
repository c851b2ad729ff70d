#pragma once

#include <string_view>

namespace pgtally::play {

/// schema/tweet/play.xml, put into the program when it is built.
[[nodiscard]] std::string_view own_play();

}  // namespace pgtally::play
