/* The words in which the table of calls says what a call takes and gives, and what is made of them.
 *
 *   PLAIN(type, name)      what only the process itself can use
 *   NUMBER(type, name)     a number that is given
 *   SLOT(name)             a slot's id
 *   OBJECT(name)           an object's handle that is given
 *   BYTES(name)            bytes that are given, and their number
 *   LABEL(name)            the 32 bytes of a token's label
 *   TEMPLATE(name)         attributes that are given
 *   MECHANISM(name)        a mechanism with its parameter
 *   PARAMETER(name)        the parameter of a message: given, and partly written (PKCS#11 v3.1, 5.9)
 *   VALUES(name)           attributes that are asked for
 *   OUTPUT(name)           bytes that are asked for, by the convention of 5.2
 *   FILL(name)             bytes that are asked for, as many as there is room
 *   LIST(type, name)       numbers that are asked for, by the convention of 5.2
 *   FOUND(name)            handles that a search gives
 *   NEW_OBJECT(name)       the handle of an object that the call has made
 *   RESULT(type, name)     a number that is asked for
 *   SLOT_INFO(name), TOKEN_INFO(name), MECHANISM_INFO(name), SESSION_INFO(name)
 *
 * A word stands for one, two or three arguments of the C function; who uses the table gives each word a meaning by a
 * macro PREFIX##word and walks a signature with SR_LIST or SR_EACH. */
#ifndef SR_PKCS11_SIGNATURE_H
#define SR_PKCS11_SIGNATURE_H

/* SR_EACH(prefix, ...): PREFIX before each word; SR_LIST: with commas between. The lists are short: a call has five
 * words at most. */
#define SR_EACH(prefix, ...) __VA_OPT__(SR_EACH_1(prefix, __VA_ARGS__))
#define SR_EACH_1(prefix, word, ...) prefix##word __VA_OPT__(SR_EACH_2(prefix, __VA_ARGS__))
#define SR_EACH_2(prefix, word, ...) prefix##word __VA_OPT__(SR_EACH_3(prefix, __VA_ARGS__))
#define SR_EACH_3(prefix, word, ...) prefix##word __VA_OPT__(SR_EACH_4(prefix, __VA_ARGS__))
#define SR_EACH_4(prefix, word, ...) prefix##word __VA_OPT__(SR_EACH_5(prefix, __VA_ARGS__))
#define SR_EACH_5(prefix, word) prefix##word

#define SR_LIST(prefix, ...) __VA_OPT__(SR_LIST_1(prefix, __VA_ARGS__))
#define SR_LIST_1(prefix, word, ...) prefix##word __VA_OPT__(, SR_LIST_2(prefix, __VA_ARGS__))
#define SR_LIST_2(prefix, word, ...) prefix##word __VA_OPT__(, SR_LIST_3(prefix, __VA_ARGS__))
#define SR_LIST_3(prefix, word, ...) prefix##word __VA_OPT__(, SR_LIST_4(prefix, __VA_ARGS__))
#define SR_LIST_4(prefix, word, ...) prefix##word __VA_OPT__(, SR_LIST_5(prefix, __VA_ARGS__))
#define SR_LIST_5(prefix, word) prefix##word

/* SR_PARAMS signature, SR_ARGS signature: the parameters and the arguments of the C function, in parentheses. */
#define SR_PARAMS(...) (SR_LIST(SR_PARAM_, __VA_ARGS__))
#define SR_ARGS(...) (SR_LIST(SR_ARG_, __VA_ARGS__))

#define SR_PARAM_PLAIN(type, name) type name
#define SR_PARAM_NUMBER(type, name) type name
#define SR_PARAM_SLOT(name) CK_SLOT_ID name
#define SR_PARAM_OBJECT(name) CK_OBJECT_HANDLE name
#define SR_PARAM_BYTES(name) CK_BYTE_PTR name, CK_ULONG name##_len
#define SR_PARAM_LABEL(name) CK_UTF8CHAR_PTR name
#define SR_PARAM_TEMPLATE(name) CK_ATTRIBUTE_PTR name, CK_ULONG name##_count
#define SR_PARAM_MECHANISM(name) CK_MECHANISM_PTR name
#define SR_PARAM_PARAMETER(name) CK_VOID_PTR name, CK_ULONG name##_len
#define SR_PARAM_VALUES(name) CK_ATTRIBUTE_PTR name, CK_ULONG name##_count
#define SR_PARAM_OUTPUT(name) CK_BYTE_PTR name, CK_ULONG_PTR name##_len
#define SR_PARAM_FILL(name) CK_BYTE_PTR name, CK_ULONG name##_len
#define SR_PARAM_LIST(type, name) type name, CK_ULONG_PTR name##_count
#define SR_PARAM_FOUND(name) CK_OBJECT_HANDLE_PTR name, CK_ULONG name##_max, CK_ULONG_PTR name##_count
#define SR_PARAM_NEW_OBJECT(name) CK_OBJECT_HANDLE_PTR name
#define SR_PARAM_RESULT(type, name) type name
#define SR_PARAM_SLOT_INFO(name) CK_SLOT_INFO_PTR name
#define SR_PARAM_TOKEN_INFO(name) CK_TOKEN_INFO_PTR name
#define SR_PARAM_MECHANISM_INFO(name) CK_MECHANISM_INFO_PTR name
#define SR_PARAM_SESSION_INFO(name) CK_SESSION_INFO_PTR name

#define SR_ARG_PLAIN(type, name) name
#define SR_ARG_NUMBER(type, name) name
#define SR_ARG_SLOT(name) name
#define SR_ARG_OBJECT(name) name
#define SR_ARG_BYTES(name) name, name##_len
#define SR_ARG_LABEL(name) name
#define SR_ARG_TEMPLATE(name) name, name##_count
#define SR_ARG_MECHANISM(name) name
#define SR_ARG_PARAMETER(name) name, name##_len
#define SR_ARG_VALUES(name) name, name##_count
#define SR_ARG_OUTPUT(name) name, name##_len
#define SR_ARG_FILL(name) name, name##_len
#define SR_ARG_LIST(type, name) name, name##_count
#define SR_ARG_FOUND(name) name, name##_max, name##_count
#define SR_ARG_NEW_OBJECT(name) name
#define SR_ARG_RESULT(type, name) name
#define SR_ARG_SLOT_INFO(name) name
#define SR_ARG_TOKEN_INFO(name) name
#define SR_ARG_MECHANISM_INFO(name) name
#define SR_ARG_SESSION_INFO(name) name

#endif
