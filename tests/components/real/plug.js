export const greet = {
  hello({ name, age }) {
    return `Hello, ${name} of ${age}!`;
  },
};
