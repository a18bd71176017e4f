# How every target of ours is compiled, and how a library becomes a static and a shared one.
# Knows nothing of what is in the libraries.

# Sanitizers and coverage apply to all of a build, or the parts would not fit each other.
if(ROTOR_SANITIZE)
  add_compile_options(-fsanitize=${ROTOR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${ROTOR_SANITIZE})
endif()
if(ROTOR_COVERAGE)
  # Threads that count at the same time lose counts otherwise, and gcovr refuses the negative ones that come of it.
  add_compile_options("$<$<COMPILE_LANGUAGE:C>:--coverage;-fprofile-update=atomic>")
  add_link_options(--coverage)
endif()

function(rotor_compile_settings target)
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla>
    $<$<BOOL:${ROTOR_WERROR}>:-Werror>)
endfunction()

# rotor_add_library(NAME HEADER SOURCES...) makes NAME_static (libNAME.a) and, with ROTOR_SHARED, NAME_shared
# (libNAME.so), both in the top of the build folder, and lists them in NAME_TARGETS.
# The sources are compiled once for each: only the shared library marks its interface as exported, so a program or a
# plug-in that links the static one does not export our symbols as if they were its own.
function(rotor_add_library name header)
  set(kinds static)
  if(ROTOR_SHARED)
    list(APPEND kinds shared)
  endif()
  set(targets "")
  foreach(kind IN LISTS kinds)
    set(target ${name}_${kind})
    string(TOUPPER ${kind} library_type)
    add_library(${target} ${library_type} ${ARGN})
    rotor_compile_settings(${target})
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME ${name}
      ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
      LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
      C_VISIBILITY_PRESET hidden
      POSITION_INDEPENDENT_CODE ON
      PUBLIC_HEADER ${PROJECT_SOURCE_DIR}/${header})
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    list(APPEND targets ${target})
  endforeach()
  if(ROTOR_SHARED)
    target_compile_definitions(${name}_shared PRIVATE ROTOR_BUILD_SHARED)
    set_target_properties(${name}_shared PROPERTIES
      EXPORT_NAME ${name} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    if(NOT ROTOR_SANITIZE)
      target_link_options(${name}_shared PRIVATE -Wl,--no-undefined)
    endif()
    add_library(rotortree::${name} ALIAS ${name}_shared)
  else()
    add_library(rotortree::${name} ALIAS ${name}_static)
  endif()
  add_library(rotortree::${name}_static ALIAS ${name}_static)
  set(${name}_TARGETS ${targets} PARENT_SCOPE)
endfunction()
