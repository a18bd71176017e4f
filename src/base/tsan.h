/* Whether this is a build for ThreadSanitizer, which has to be told a few things that processors and systems know. */
#ifndef ROTOR_BASE_TSAN_H
#define ROTOR_BASE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define ROTOR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ROTOR_TSAN 1
#endif
#endif

#endif
