/* Which UART a session uses: SESSION_UART, a node of the devicetree. */
#ifndef TVM_TINY_ZEPHYR_SESSION_UART_H
#define TVM_TINY_ZEPHYR_SESSION_UART_H

#include <zephyr/devicetree.h>

#if defined(CONFIG_UART_CONSOLE) && DT_HAS_CHOSEN(zephyr_console)
#define IS_CONSOLE(node) DT_SAME_NODE(node, DT_CHOSEN(zephyr_console))
#else
#define IS_CONSOLE(node) 0
#endif

#define IS_ENABLED_NODE(label) DT_NODE_HAS_STATUS(DT_NODELABEL(label), okay)

#if DT_HAS_CHOSEN(tvm_tiny_session_uart)
#define SESSION_UART DT_CHOSEN(tvm_tiny_session_uart)
#if IS_CONSOLE(SESSION_UART)
#error "the session's UART is the console's: choose another or set CONFIG_UART_CONSOLE=n"
#endif
#elif IS_ENABLED_NODE(uart1) && !IS_CONSOLE(DT_NODELABEL(uart1))
#define SESSION_UART DT_NODELABEL(uart1)
#elif IS_ENABLED_NODE(uart2) && !IS_CONSOLE(DT_NODELABEL(uart2))
#define SESSION_UART DT_NODELABEL(uart2)
#elif IS_ENABLED_NODE(uart0) && !IS_CONSOLE(DT_NODELABEL(uart0))
#define SESSION_UART DT_NODELABEL(uart0)
#else
#error "no UART for the session: choose tvm-tiny,session-uart, or set CONFIG_UART_CONSOLE=n"
#endif

#endif /* TVM_TINY_ZEPHYR_SESSION_UART_H */
